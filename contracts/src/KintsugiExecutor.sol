// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IAavePool {
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 referral) external;
}

interface IBalancerVault {
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data) external;
}

interface IV2Pair {
    function getReserves() external view returns (uint112, uint112, uint32);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IV3Pool {
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata data) external;
    function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256, int256);
}

/// @title Executes one flash-loan arbitrage, atomically, or reverts
/// @notice A plan is packed bytes, so that it costs little calldata:
///   1  lender kind (1 Aave V3, 2 Balancer V2, 3 Uniswap V3 flash, 4 Uniswap V2 flash swap); bit 7: the token is the pool's token0
///  20  lender    20  token of loan and profit    16  amount    16  least profit    8  deadline (seconds since 1970)
///  then per leg: 1 flags (bit 0: concentrated, bit 1: zero for one)   2 fee in basis points (constant product only)   20 pool   20 token in
/// @dev State lives in transient storage only: the hash of the plan in flight, and the pool whose swap callback is awaited.
///  Between calls the contract holds nothing and has approved nothing.
contract KintsugiExecutor {
    error NotOwner();
    error NotOperator();
    error Expired(uint256 deadline);
    error MalformedPlan();
    error Reentered();
    error UnexpectedCallback(address sender);
    error PartialFill(address pool, uint256 offered, uint256 taken);
    error Unprofitable(uint256 got, uint256 needed);
    error TransferFailed(address token);

    event OperatorChanged(address indexed operator);

    uint256 private constant HEAD = 81;
    uint256 private constant LEG = 43;
    uint160 private constant MIN_PRICE = 4295128740;
    uint160 private constant MAX_PRICE = 1461446703485210103287273052203988822378723970341;

    bytes32 transient planInFlight;
    address transient swapInFlight;

    address public immutable owner;
    address public immutable treasury;
    address public operator;

    constructor(address owner_, address operator_, address treasury_) {
        require(owner_ != address(0) && operator_ != address(0) && treasury_ != address(0));
        owner = owner_;
        operator = operator_;
        treasury = treasury_;
        emit OperatorChanged(operator_);
    }

    /// @notice Borrows, runs the legs, repays, and pays the profit to the treasury; reverts where the profit is below the plan's least.
    function execute(bytes calldata plan) external {
        if (msg.sender != operator) revert NotOperator();
        if (planInFlight != 0) revert Reentered();
        if (plan.length < HEAD + 2 * LEG || (plan.length - HEAD) % LEG != 0) revert MalformedPlan();
        if (block.timestamp > uint64(bytes8(plan[73:81]))) revert Expired(uint64(bytes8(plan[73:81])));
        planInFlight = keccak256(plan);
        uint8 kind = uint8(plan[0]) & 0x7f;
        bool isToken0 = uint8(plan[0]) & 0x80 != 0;
        address lender = address(bytes20(plan[1:21]));
        uint256 amount = uint128(bytes16(plan[41:57]));
        if (kind == 1) {
            IAavePool(lender).flashLoanSimple(address(this), address(bytes20(plan[21:41])), amount, plan, 0);
        } else if (kind == 2) {
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            (tokens[0], amounts[0]) = (address(bytes20(plan[21:41])), amount);
            IBalancerVault(lender).flashLoan(address(this), tokens, amounts, plan);
        } else if (kind == 3) {
            // The pool may send the loan anywhere: straight to the first pair saves a transfer.
            address to = _isConcentrated(plan, HEAD) ? address(this) : _pool(plan, HEAD);
            IV3Pool(lender).flash(to, isToken0 ? amount : 0, isToken0 ? 0 : amount, plan);
        } else if (kind == 4) {
            IV2Pair(lender).swap(isToken0 ? amount : 0, isToken0 ? 0 : amount, address(this), plan);
        } else {
            revert MalformedPlan();
        }
        // A lender that never called back would leave the plan in flight.
        if (planInFlight != 0) revert MalformedPlan();
    }

    /// @notice Aave V3. The pool takes back loan and premium by the allowance given here, which it uses up entirely.
    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata plan) external returns (bool) {
        if (initiator != address(this)) revert UnexpectedCallback(msg.sender);
        _run(plan, 1, amount + premium, false);
        _call(asset, abi.encodeWithSignature("approve(address,uint256)", msg.sender, amount + premium));
        return true;
    }

    /// @notice Balancer V2.
    function receiveFlashLoan(address[] calldata tokens, uint256[] calldata amounts, uint256[] calldata fees, bytes calldata plan) external {
        uint256 owed = amounts[0] + fees[0];
        _run(plan, 2, owed, false);
        _transfer(tokens[0], msg.sender, owed);
    }

    /// @notice Uniswap V3 flash.
    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata plan) external {
        uint256 owed = uint128(bytes16(plan[41:57])) + fee0 + fee1;
        _run(plan, 3, owed, true);
        _transfer(address(bytes20(plan[21:41])), msg.sender, owed);
    }

    /// @notice Uniswap V2 flash swap: what is owed is the loan divided by 0.997, rounded up.
    function uniswapV2Call(address sender, uint256, uint256, bytes calldata plan) external {
        if (sender != address(this)) revert UnexpectedCallback(msg.sender);
        uint256 owed = (uint256(uint128(bytes16(plan[41:57]))) * 1000 + 996) / 997;
        _run(plan, 4, owed, false);
        _transfer(address(bytes20(plan[21:41])), msg.sender, owed);
    }

    /// @notice A concentrated pool asks for the input of the swap we are making there, and only then.
    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        if (msg.sender != swapInFlight) revert UnexpectedCallback(msg.sender);
        swapInFlight = address(0);
        _transfer(address(bytes20(data[0:20])), msg.sender, uint256(delta0 > 0 ? delta0 : delta1));
    }

    function setOperator(address operator_) external {
        if (msg.sender != owner) revert NotOwner();
        require(operator_ != address(0));
        operator = operator_;
        emit OperatorChanged(operator_);
    }

    /// @notice Sends what was left here by mistake to the treasury.
    function sweep(address token) external {
        if (msg.sender != owner) revert NotOwner();
        (bool ok, bytes memory data) = token.staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
        if (!ok || data.length < 32) revert TransferFailed(token);
        _transfer(token, treasury, abi.decode(data, (uint256)));
    }

    /// Checks that the callback is the one awaited, runs the legs, asserts the profit and pays it out.
    function _run(bytes calldata plan, uint8 kind, uint256 owed, bool loanAtFirstPair) private {
        if (keccak256(plan) != planInFlight || uint8(plan[0]) & 0x7f != kind || msg.sender != address(bytes20(plan[1:21]))) {
            revert UnexpectedCallback(msg.sender);
        }
        planInFlight = 0;
        uint256 amount = uint128(bytes16(plan[41:57]));
        bool paid = loanAtFirstPair && !_isConcentrated(plan, HEAD);
        for (uint256 leg = HEAD; leg < plan.length; leg += LEG) {
            bool forward = leg + LEG < plan.length && !_isConcentrated(plan, leg + LEG);
            address to = forward ? _pool(plan, leg + LEG) : address(this);
            amount = _isConcentrated(plan, leg) ? _swapConcentrated(plan, leg, amount, to) : _swapConstantProduct(plan, leg, amount, to, paid);
            paid = forward;
        }
        uint256 needed = owed + uint128(bytes16(plan[57:73]));
        if (amount < needed) revert Unprofitable(amount, needed);
        if (amount > owed) _transfer(address(bytes20(plan[21:41])), treasury, amount - owed);
    }

    function _swapConstantProduct(bytes calldata plan, uint256 leg, uint256 amount, address to, bool paid) private returns (uint256 out) {
        address pool = _pool(plan, leg);
        bool zeroForOne = uint8(plan[leg]) & 2 != 0;
        (uint256 reserveIn, uint256 reserveOut,) = IV2Pair(pool).getReserves();
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        // Reserves have 112 bits, amounts 128, the fee 14: no product here exceeds 254 bits.
        unchecked {
            uint256 withFee = amount * (10_000 - uint256(uint16(bytes2(plan[leg + 1:leg + 3]))));
            out = withFee * reserveOut / (reserveIn * 10_000 + withFee);
        }
        if (!paid) _transfer(_tokenIn(plan, leg), pool, amount);
        IV2Pair(pool).swap(zeroForOne ? 0 : out, zeroForOne ? out : 0, to, "");
    }

    function _swapConcentrated(bytes calldata plan, uint256 leg, uint256 amount, address to) private returns (uint256) {
        address pool = _pool(plan, leg);
        bool zeroForOne = uint8(plan[leg]) & 2 != 0;
        swapInFlight = pool;
        (int256 delta0, int256 delta1) =
            IV3Pool(pool).swap(to, zeroForOne, int256(amount), zeroForOne ? MIN_PRICE : MAX_PRICE, plan[leg + 23:leg + 43]);
        (int256 taken, int256 given) = zeroForOne ? (delta0, delta1) : (delta1, delta0);
        if (uint256(taken) != amount) revert PartialFill(pool, amount, uint256(taken));
        return uint256(-given);
    }

    function _isConcentrated(bytes calldata plan, uint256 leg) private pure returns (bool) {
        return uint8(plan[leg]) & 1 != 0;
    }

    function _pool(bytes calldata plan, uint256 leg) private pure returns (address) {
        return address(bytes20(plan[leg + 3:leg + 23]));
    }

    function _tokenIn(bytes calldata plan, uint256 leg) private pure returns (address) {
        return address(bytes20(plan[leg + 23:leg + 43]));
    }

    function _transfer(address token, address to, uint256 amount) private {
        _call(token, abi.encodeWithSignature("transfer(address,uint256)", to, amount));
    }

    /// Accepts tokens that return nothing, as USDT does; refuses a false and an address without code.
    function _call(address token, bytes memory data) private {
        (bool ok, bytes memory result) = token.call(data);
        if (!ok || (result.length == 0 ? token.code.length == 0 : !abi.decode(result, (bool)))) revert TransferFailed(token);
    }
}
