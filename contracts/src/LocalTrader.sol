// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPoolManager, IWrapped, PoolKey, Venues} from "./Venues.sol";

interface IConcentrated {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data) external returns (uint256, uint256);
}

interface IAlgebra {
    function mint(address payer, address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data) external returns (uint256, uint256, uint128);
}

struct ModifyLiquidityParams {
    int24 tickLower;
    int24 tickUpper;
    int256 liquidityDelta;
    bytes32 salt;
}

interface ILiquidityManager {
    function modifyLiquidity(PoolKey calldata key, ModifyLiquidityParams calldata params, bytes calldata hookData) external returns (int256, int256);
}

/// @title The contract of the local chain's market maker and traders: adds liquidity, swaps
/// @dev Holds tokens of the local chain only, and pays whichever pool it is trading with. Never deployed elsewhere.
contract LocalTrader is Venues {
    /// One swap, as `Venues` makes it.
    struct Swap {
        uint8 venue;
        address pool;
        uint16 feeBps;
        address tokenIn;
        address tokenOut;
    }

    address private immutable owner = msg.sender;
    address private counterparty;

    constructor(address vault_, address poolManager_, address wrappedNative_) Venues(vault_, poolManager_, wrappedNative_) {}

    /// Receives native coins that a router returns.
    receive() external payable override {}

    /// Uniswap V3.
    function addLiquidity(address pool, int24 lower, int24 upper, uint128 liquidity) external {
        _open(pool);
        IConcentrated(pool).mint(address(this), lower, upper, liquidity, "");
        counterparty = address(0);
    }

    /// Algebra.
    function addAlgebraLiquidity(address pool, int24 lower, int24 upper, uint128 liquidity) external {
        _open(pool);
        IAlgebra(pool).mint(address(this), address(this), lower, upper, liquidity, "");
        counterparty = address(0);
    }

    /// Uniswap V4, through a router of its own: liquidity is changed from inside the manager's lock.
    function addManagedLiquidity(PoolKey calldata key, int24 lower, int24 upper, int256 liquidity) external {
        _open(poolManager);
        LiquidityRouter router = new LiquidityRouter(poolManager);
        uint256 value;
        if (key.currency0 == address(0)) {
            value = IERC20(wrappedNative).balanceOf(address(this));
            IWrapped(wrappedNative).withdraw(value);
        } else {
            IERC20(key.currency0).transfer(address(router), IERC20(key.currency0).balanceOf(address(this)));
        }
        IERC20(key.currency1).transfer(address(router), IERC20(key.currency1).balanceOf(address(this)));
        router.add{value: value}(key, ModifyLiquidityParams(lower, upper, liquidity, 0));
        if (value > 0) IWrapped(wrappedNative).deposit{value: address(this).balance}();
        counterparty = address(0);
    }

    /// Swaps `amountIn`, or reverts if the output is below `minOut`. Any account may call it: the local
    /// market bears the cost.
    function swap(Swap calldata one, uint256 amountIn, uint256 minOut) external returns (uint256 out) {
        out = _swap(one.venue, one.pool, one.feeBps, one.tokenIn, one.tokenOut, amountIn, address(this), false);
        require(out >= minOut, "too little received");
    }

    /// A whole cycle in one transaction, for the competitor; reverts if it does not earn `minProfit`.
    function cycle(Swap[] calldata swaps, uint256 amountIn, uint256 minProfit) external {
        uint256 amount = amountIn;
        for (uint256 i; i < swaps.length; i++) {
            amount = _swap(swaps[i].venue, swaps[i].pool, swaps[i].feeBps, swaps[i].tokenIn, swaps[i].tokenOut, amount, address(this), false);
        }
        require(amount >= amountIn + minProfit, "no profit");
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        _payMint(owed0, owed1);
    }

    function algebraMintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        _payMint(owed0, owed1);
    }

    function _payMint(uint256 owed0, uint256 owed1) private {
        require(msg.sender == counterparty, "not the pool");
        if (owed0 > 0) _transfer(IConcentrated(msg.sender).token0(), msg.sender, owed0);
        if (owed1 > 0) _transfer(IConcentrated(msg.sender).token1(), msg.sender, owed1);
    }

    function _open(address pool) private {
        require(msg.sender == owner, "only the owner");
        counterparty = pool;
    }
}

interface IERC20 {
    function transfer(address to, uint256 value) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
}

/// @title Adds liquidity to one Uniswap V4 pool, once
/// @dev It returns unused tokens.
contract LiquidityRouter {
    address private immutable manager;

    constructor(address manager_) {
        manager = manager_;
    }

    function add(PoolKey calldata key, ModifyLiquidityParams calldata params) external payable {
        IPoolManager(manager).unlock(abi.encode(key, params));
        if (key.currency0 == address(0)) {
            (bool ok,) = msg.sender.call{value: address(this).balance}("");
            require(ok);
        } else {
            IERC20(key.currency0).transfer(msg.sender, IERC20(key.currency0).balanceOf(address(this)));
        }
        IERC20(key.currency1).transfer(msg.sender, IERC20(key.currency1).balanceOf(address(this)));
    }

    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        require(msg.sender == manager, "not the manager");
        (PoolKey memory key, ModifyLiquidityParams memory params) = abi.decode(data, (PoolKey, ModifyLiquidityParams));
        (int256 delta,) = ILiquidityManager(manager).modifyLiquidity(key, params, "");
        _pay(key.currency0, -(delta >> 128));
        _pay(key.currency1, -int256(int128(delta)));
        return "";
    }

    function _pay(address token, int256 owed) private {
        if (owed <= 0) return;
        if (token == address(0)) {
            IPoolManager(manager).settle{value: uint256(owed)}();
            return;
        }
        IPoolManager(manager).sync(token);
        require(IERC20(token).transfer(manager, uint256(owed)));
        IPoolManager(manager).settle();
    }
}
