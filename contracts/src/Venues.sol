// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

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

interface IBalancerPool {
    function getPoolId() external view returns (bytes32);
}

interface IBalancerVault {
    struct SingleSwap {
        bytes32 poolId;
        uint8 kind;
        address assetIn;
        address assetOut;
        uint256 amount;
        bytes userData;
    }

    struct FundManagement {
        address sender;
        bool fromInternalBalance;
        address recipient;
        bool toInternalBalance;
    }

    function swap(SingleSwap calldata singleSwap, FundManagement calldata funds, uint256 limit, uint256 deadline) external returns (uint256);
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data) external;
}

struct PoolKey {
    address currency0;
    address currency1;
    uint24 fee;
    int24 tickSpacing;
    address hooks;
}

struct SwapParams {
    bool zeroForOne;
    int256 amountSpecified;
    uint160 sqrtPriceLimitX96;
}

interface IWrapped {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

interface IPoolManager {
    function unlock(bytes calldata data) external returns (bytes memory);
    function swap(PoolKey calldata key, SwapParams calldata params, bytes calldata hookData) external returns (int256);
    function sync(address currency) external;
    function settle() external payable returns (uint256);
    function take(address currency, address to, uint256 amount) external;
}

/// @title How a swap is made on each kind of venue
/// @dev Venue 0: a Uniswap V2 pair. 1: a Uniswap V3 or Algebra pool. 2: a pool of the Balancer V2 vault. 3: a pool of the Uniswap V4 manager,
///  whose `pool` carries fee and tick spacing (three bytes each, at its end), and above them a bit for pools of the native coin, which plans
///  know as its wrapped token. Only the venue in use may call back, and only once.
abstract contract Venues {
    error UnexpectedCallback(address sender);
    error PartialFill(address pool, uint256 offered, uint256 taken);
    error TransferFailed(address token);
    error UnknownVenue(uint256 venue);

    uint160 internal constant MIN_PRICE = 4295128740;
    uint160 internal constant MAX_PRICE = 1461446703485210103287273052203988822378723970341;

    address internal immutable vault;
    address internal immutable poolManager;
    address internal immutable wrappedNative;

    address transient swapInFlight;

    constructor(address vault_, address poolManager_, address wrappedNative_) {
        (vault, poolManager, wrappedNative) = (vault_, poolManager_, wrappedNative_);
    }

    /// @notice The native coin comes from a V4 pool, or from its wrapped token, on its way to the other.
    receive() external payable virtual {
        if (msg.sender != poolManager && msg.sender != wrappedNative) revert UnexpectedCallback(msg.sender);
    }

    /// Swaps `amount` of `tokenIn`; the output goes to `to`. `paid`: the pair has its input already.
    function _swap(uint256 venue, address pool, uint256 feeBps, address tokenIn, address tokenOut, uint256 amount, address to, bool paid)
        internal
        returns (uint256)
    {
        if (venue == 0) return _swapPair(pool, feeBps, tokenIn, tokenIn < tokenOut, amount, to, paid);
        if (venue == 1) return _swapConcentrated(pool, tokenIn, tokenIn < tokenOut, amount, to);
        if (venue == 2) return _swapVault(pool, tokenIn, tokenOut, amount, to);
        if (venue == 3) {
            swapInFlight = poolManager;
            return abi.decode(IPoolManager(poolManager).unlock(abi.encode(pool, tokenIn, tokenOut, amount, to)), (uint256));
        }
        revert UnknownVenue(venue);
    }

    function _swapPair(address pool, uint256 feeBps, address tokenIn, bool zeroForOne, uint256 amount, address to, bool paid) private returns (uint256 out) {
        (uint256 reserveIn, uint256 reserveOut,) = IV2Pair(pool).getReserves();
        if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        // Reserves have 112 bits, amounts 128, the fee 14: no product here exceeds 254 bits.
        unchecked {
            uint256 withFee = amount * (10_000 - feeBps);
            out = withFee * reserveOut / (reserveIn * 10_000 + withFee);
        }
        if (!paid) _transfer(tokenIn, pool, amount);
        IV2Pair(pool).swap(zeroForOne ? 0 : out, zeroForOne ? out : 0, to, "");
    }

    function _swapConcentrated(address pool, address tokenIn, bool zeroForOne, uint256 amount, address to) private returns (uint256) {
        swapInFlight = pool;
        (int256 delta0, int256 delta1) = IV3Pool(pool).swap(to, zeroForOne, int256(amount), zeroForOne ? MIN_PRICE : MAX_PRICE, abi.encodePacked(tokenIn));
        (int256 taken, int256 given) = zeroForOne ? (delta0, delta1) : (delta1, delta0);
        if (uint256(taken) != amount) revert PartialFill(pool, amount, uint256(taken));
        return uint256(-given);
    }

    function _swapVault(address pool, address tokenIn, address tokenOut, uint256 amount, address to) private returns (uint256) {
        // The vault takes exactly what it is allowed.
        _call(tokenIn, abi.encodeWithSignature("approve(address,uint256)", vault, amount));
        return IBalancerVault(vault).swap(
            IBalancerVault.SingleSwap(IBalancerPool(pool).getPoolId(), 0, tokenIn, tokenOut, amount, ""),
            IBalancerVault.FundManagement(address(this), false, to, false),
            0,
            block.timestamp
        );
    }

    /// @notice The callback of the V4 manager, unlocked for our swap.
    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        _expected();
        (address pool, address tokenIn, address tokenOut, uint256 amount, address to) = abi.decode(data, (address, address, address, uint256, address));
        bool native = uint160(pool) >> 48 & 1 == 1;
        (address asIn, address asOut) = native ? (_currency(tokenIn), _currency(tokenOut)) : (tokenIn, tokenOut);
        bool zeroForOne = asIn < asOut;
        (address currency0, address currency1) = zeroForOne ? (asIn, asOut) : (asOut, asIn);
        int256 delta = IPoolManager(msg.sender).swap(
            PoolKey(currency0, currency1, uint24(uint160(pool) >> 24), int24(uint24(uint160(pool))), address(0)),
            SwapParams(zeroForOne, -int256(amount), zeroForOne ? MIN_PRICE : MAX_PRICE),
            ""
        );
        // Two signed halves: amount0 above, amount1 below.
        (int256 delta0, int256 delta1) = (delta >> 128, int256(int128(delta)));
        (int256 taken, int256 given) = zeroForOne ? (-delta0, delta1) : (-delta1, delta0);
        if (uint256(taken) != amount) revert PartialFill(pool, amount, uint256(taken));
        if (asIn == address(0)) {
            IWrapped(tokenIn).withdraw(amount);
            IPoolManager(msg.sender).settle{value: amount}();
        } else {
            IPoolManager(msg.sender).sync(tokenIn);
            _transfer(tokenIn, msg.sender, amount);
            IPoolManager(msg.sender).settle();
        }
        if (asOut == address(0)) {
            IPoolManager(msg.sender).take(address(0), address(this), uint256(given));
            IWrapped(tokenOut).deposit{value: uint256(given)}();
            if (to != address(this)) _transfer(tokenOut, to, uint256(given));
        } else {
            IPoolManager(msg.sender).take(tokenOut, to, uint256(given));
        }
        return abi.encode(uint256(given));
    }

    /// The address by which a pool of the native coin names a token.
    function _currency(address token) private view returns (address) {
        return token == wrappedNative ? address(0) : token;
    }

    /// @notice A Uniswap V3 pool asks for the input of the swap we are making there, and only then.
    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        _pay(delta0, delta1, data);
    }

    /// @notice The same for an Algebra pool.
    function algebraSwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        _pay(delta0, delta1, data);
    }

    function _pay(int256 delta0, int256 delta1, bytes calldata data) private {
        _expected();
        _transfer(address(bytes20(data[0:20])), msg.sender, uint256(delta0 > 0 ? delta0 : delta1));
    }

    function _expected() private {
        if (msg.sender != swapInFlight) revert UnexpectedCallback(msg.sender);
        swapInFlight = address(0);
    }

    function _transfer(address token, address to, uint256 amount) internal {
        _call(token, abi.encodeWithSignature("transfer(address,uint256)", to, amount));
    }

    /// Accepts tokens that return nothing, as USDT does; refuses a false and an address without code.
    function _call(address token, bytes memory data) internal {
        (bool ok, bytes memory result) = token.call(data);
        if (!ok || (result.length == 0 ? token.code.length == 0 : !abi.decode(result, (bool)))) revert TransferFailed(token);
    }
}
