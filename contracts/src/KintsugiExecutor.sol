// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IBalancerVault, IV2Pair, IV3Pool, Venues} from "./Venues.sol";

interface IAavePool {
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 referral) external;
}

/// @title Executes one arbitrage of one or more cycles, atomically, or reverts
/// @notice A plan is packed bytes, so that it costs little calldata:
///   1  lender kind (1 Aave V3, 2 Balancer V2, 3 Uniswap V3 flash, 4 Uniswap V2 flash swap, 5 our treasury's own capital); bit 7: the token is the pool's token0
///  20  lender    20  token of loan and profit    16  amount    16  minimum profit    8  deadline (seconds since 1970)
///  then per cycle: 1 number of legs    16 amount in
///  and per leg of it: 1 venue (see Venues)   2 fee in basis points (pairs only)   20 pool   20 token in
/// @dev State lives in transient storage only: the hash of the plan in flight, and the venue whose callback is awaited.
///  Between calls the contract holds nothing and has approved nothing.
contract KintsugiExecutor is Venues {
    error NotOwner();
    error NotOperator();
    error Expired(uint256 deadline);
    error MalformedPlan();
    error Reentered();
    error Unprofitable(uint256 got, uint256 needed);

    event OperatorChanged(address indexed operator);

    uint256 private constant HEAD = 81;
    uint256 private constant CYCLE = 17;
    uint256 private constant LEG = 43;

    bytes32 transient planInFlight;

    address public immutable owner;
    address public immutable treasury;
    address public operator;

    constructor(address owner_, address operator_, address treasury_, address vault_, address poolManager_, address wrappedNative_)
        Venues(vault_, poolManager_, wrappedNative_)
    {
        require(owner_ != address(0) && operator_ != address(0) && treasury_ != address(0));
        owner = owner_;
        operator = operator_;
        treasury = treasury_;
        emit OperatorChanged(operator_);
    }

    /// @notice Borrows, runs the cycles, repays, and pays the profit to the treasury; reverts if the profit
    /// is below the plan's minimum.
    function execute(bytes calldata plan) external {
        if (msg.sender != operator) revert NotOperator();
        if (planInFlight != 0) revert Reentered();
        if (plan.length < HEAD + CYCLE + 2 * LEG) revert MalformedPlan();
        if (block.timestamp > uint64(bytes8(plan[73:81]))) revert Expired(uint64(bytes8(plan[73:81])));
        planInFlight = keccak256(plan);
        uint8 kind = uint8(plan[0]) & 0x7f;
        bool isToken0 = uint8(plan[0]) & 0x80 != 0;
        address lender = address(bytes20(plan[1:21]));
        address token = address(bytes20(plan[21:41]));
        uint256 amount = uint128(bytes16(plan[41:57]));
        if (kind == 1) {
            IAavePool(lender).flashLoanSimple(address(this), token, amount, plan, 0);
        } else if (kind == 2) {
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            (tokens[0], amounts[0]) = (token, amount);
            IBalancerVault(lender).flashLoan(address(this), tokens, amounts, plan);
        } else if (kind == 3) {
            // The pool may send the loan anywhere: straight to the first pair saves a transfer.
            address to = _loanGoesToFirstPair(plan) ? _pool(plan, HEAD + CYCLE) : address(this);
            IV3Pool(lender).flash(to, isToken0 ? amount : 0, isToken0 ? 0 : amount, plan);
        } else if (kind == 4) {
            IV2Pair(lender).swap(isToken0 ? amount : 0, isToken0 ? 0 : amount, address(this), plan);
        } else if (kind == 5) {
            if (lender != treasury) revert MalformedPlan();
            planInFlight = 0;
            _call(token, abi.encodeWithSignature("transferFrom(address,address,uint256)", lender, address(this), amount));
            _settle(plan, amount, false);
            _transfer(token, lender, amount);
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
        _run(plan, 3, owed, _loanGoesToFirstPair(plan));
        _transfer(address(bytes20(plan[21:41])), msg.sender, owed);
    }

    /// @notice Uniswap V2 flash swap: the repayment is the loan divided by 0.997, rounded up.
    function uniswapV2Call(address sender, uint256, uint256, bytes calldata plan) external {
        if (sender != address(this)) revert UnexpectedCallback(msg.sender);
        uint256 owed = (uint256(uint128(bytes16(plan[41:57]))) * 1000 + 996) / 997;
        _run(plan, 4, owed, false);
        _transfer(address(bytes20(plan[21:41])), msg.sender, owed);
    }

    function setOperator(address operator_) external {
        if (msg.sender != owner) revert NotOwner();
        require(operator_ != address(0));
        operator = operator_;
        emit OperatorChanged(operator_);
    }

    /// @notice Sends tokens that were left here by mistake to the treasury.
    function sweep(address token) external {
        if (msg.sender != owner) revert NotOwner();
        (bool ok, bytes memory data) = token.staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
        if (!ok || data.length < 32) revert TransferFailed(token);
        _transfer(token, treasury, abi.decode(data, (uint256)));
    }

    /// Checks that the callback is the one awaited, then settles.
    function _run(bytes calldata plan, uint8 kind, uint256 owed, bool paid) private {
        if (keccak256(plan) != planInFlight || uint8(plan[0]) & 0x7f != kind || msg.sender != address(bytes20(plan[1:21]))) {
            revert UnexpectedCallback(msg.sender);
        }
        planInFlight = 0;
        _settle(plan, owed, paid);
    }

    /// Runs the cycles one after another on the loan, asserts the profit and pays it out. `paid`: the first pair has the loan already.
    function _settle(bytes calldata plan, uint256 owed, bool paid) private {
        address token = address(bytes20(plan[21:41]));
        uint256 balance = uint128(bytes16(plan[41:57]));
        uint256 at = HEAD;
        while (at < plan.length) {
            uint256 end = at + CYCLE + uint256(uint8(plan[at])) * LEG;
            if (end == at + CYCLE || end > plan.length) revert MalformedPlan();
            uint256 amount = uint128(bytes16(plan[at + 1:at + CYCLE]));
            at += CYCLE;
            balance -= amount;
            for (; at < end; at += LEG) {
                bool last = at + LEG == end;
                // A pair can be paid by the leg before it.
                bool forward = !last && plan[at + LEG] == 0;
                amount = _swap(
                    uint8(plan[at]),
                    _pool(plan, at),
                    uint16(bytes2(plan[at + 1:at + 3])),
                    _tokenIn(plan, at),
                    last ? token : _tokenIn(plan, at + LEG),
                    amount,
                    forward ? _pool(plan, at + LEG) : address(this),
                    paid
                );
                paid = forward;
            }
            balance += amount;
        }
        uint256 needed = owed + uint128(bytes16(plan[57:73]));
        if (balance < needed) revert Unprofitable(balance, needed);
        if (balance > owed) _transfer(token, treasury, balance - owed);
    }

    /// Whether there is one cycle, it takes the whole loan, and it begins at a pair.
    function _loanGoesToFirstPair(bytes calldata plan) private pure returns (bool) {
        return plan[HEAD + CYCLE] == 0 && plan.length == HEAD + CYCLE + uint256(uint8(plan[HEAD])) * LEG && bytes16(plan[41:57]) == bytes16(plan[HEAD + 1:HEAD + CYCLE]);
    }

    function _pool(bytes calldata plan, uint256 leg) private pure returns (address) {
        return address(bytes20(plan[leg + 3:leg + 23]));
    }

    function _tokenIn(bytes calldata plan, uint256 leg) private pure returns (address) {
        return address(bytes20(plan[leg + 23:leg + 43]));
    }
}
