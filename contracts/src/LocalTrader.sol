// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

interface IConstantProduct {
    function getReserves() external view returns (uint112, uint112, uint32);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IConcentrated {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data) external returns (uint256, uint256);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data) external returns (int256, int256);
}

/// @title What the local chain's market maker and traders call: adds liquidity, swaps
/// @dev Holds tokens of the local chain only, and pays whichever pool it is trading with. Never deployed elsewhere.
contract LocalTrader {
    address private immutable owner = msg.sender;
    address private counterparty;

    function addLiquidity(address pool, int24 lower, int24 upper, uint128 liquidity) external {
        require(msg.sender == owner, "only the owner");
        counterparty = pool;
        IConcentrated(pool).mint(address(this), lower, upper, liquidity, "");
        counterparty = address(0);
    }

    /// Swaps `amountIn`, or reverts where less than `minOut` would come out. Anyone may: what it costs is the local market's.
    function swap(address pool, bool concentrated, uint16 feeBps, bool zeroForOne, address tokenIn, uint256 amountIn, uint256 minOut) external returns (uint256 out) {
        if (concentrated) {
            counterparty = pool;
            (int256 d0, int256 d1) = IConcentrated(pool).swap(
                address(this), zeroForOne, int256(amountIn), zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341, ""
            );
            counterparty = address(0);
            require((zeroForOne ? d0 : d1) == int256(amountIn), "partial fill");
            out = uint256(-(zeroForOne ? d1 : d0));
        } else {
            (uint256 reserveIn, uint256 reserveOut,) = IConstantProduct(pool).getReserves();
            if (!zeroForOne) (reserveIn, reserveOut) = (reserveOut, reserveIn);
            uint256 withFee = amountIn * (10_000 - feeBps);
            out = withFee * reserveOut / (reserveIn * 10_000 + withFee);
            IToken(tokenIn).transfer(pool, amountIn);
            IConstantProduct(pool).swap(zeroForOne ? 0 : out, zeroForOne ? out : 0, address(this), "");
        }
        require(out >= minOut, "too little received");
    }

    /// A whole cycle in one transaction, as the competitor makes it; reverts where it does not earn `minProfit`.
    function cycle(bytes[] calldata swaps, uint256 amountIn, uint256 minProfit) external {
        uint256 amount = amountIn;
        for (uint256 i; i < swaps.length; i++) {
            (address pool, bool concentrated, uint16 feeBps, bool zeroForOne, address tokenIn) = abi.decode(swaps[i], (address, bool, uint16, bool, address));
            amount = this.swap(pool, concentrated, feeBps, zeroForOne, tokenIn, amount, 0);
        }
        require(amount >= amountIn + minProfit, "no profit");
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        require(msg.sender == counterparty, "not the pool");
        if (owed0 > 0) IToken(IConcentrated(msg.sender).token0()).transfer(msg.sender, owed0);
        if (owed1 > 0) IToken(IConcentrated(msg.sender).token1()).transfer(msg.sender, owed1);
    }

    function uniswapV3SwapCallback(int256 d0, int256 d1, bytes calldata) external {
        require(msg.sender == counterparty, "not the pool");
        IToken(d0 > 0 ? IConcentrated(msg.sender).token0() : IConcentrated(msg.sender).token1()).transfer(msg.sender, uint256(d0 > 0 ? d0 : d1));
    }
}
