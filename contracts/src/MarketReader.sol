// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IReadablePair {
    function getReserves() external view returns (uint112, uint112, uint32);
}

interface IReadablePool {
    function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16, uint16, uint16, uint8, bool);
    function liquidity() external view returns (uint128);
    function tickBitmap(int16 word) external view returns (uint256);
    function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256, uint256, int56, uint160, uint32, bool);
}

/// @title Reads many pools in one call
/// @dev Never deployed: its code is lent to an address for the length of one eth_call (state override).
contract MarketReader {
    int24 private constant MAX_TICK = 887272;

    /// @param pools The pools. @param spacings Tick spacing of each, 0 for constant product.
    /// @return state Per pool (reserve0, reserve1), or (sqrtPriceX96, tick, liquidity, ticks[], nets[], grosses[]); empty where the pool does not answer.
    function read(address[] calldata pools, int24[] calldata spacings) external view returns (bytes[] memory state) {
        state = new bytes[](pools.length);
        for (uint256 i; i < pools.length; i++) {
            try this.readOne(pools[i], spacings[i]) returns (bytes memory one) {
                state[i] = one;
            } catch {}
        }
    }

    function readOne(address pool, int24 spacing) external view returns (bytes memory) {
        if (spacing == 0) {
            (uint112 reserve0, uint112 reserve1,) = IReadablePair(pool).getReserves();
            return abi.encode(reserve0, reserve1);
        }
        (uint160 price, int24 tick,,,,,) = IReadablePool(pool).slot0();
        (int24[] memory ticks, int128[] memory nets, uint128[] memory grosses) = _ticks(pool, spacing);
        return abi.encode(price, tick, IReadablePool(pool).liquidity(), ticks, nets, grosses);
    }

    function _ticks(address pool, int24 spacing) private view returns (int24[] memory ticks, int128[] memory nets, uint128[] memory grosses) {
        int24 last = MAX_TICK / spacing;
        int16 first = int16(-last >> 8);
        uint256 words = uint256(int256(int16(last >> 8)) - first + 1);
        uint256[] memory bitmap = new uint256[](words);
        uint256 count;
        for (uint256 w; w < words; w++) {
            uint256 bits = IReadablePool(pool).tickBitmap(first + int16(int256(w)));
            bitmap[w] = bits;
            for (; bits != 0; bits &= bits - 1) count++;
        }
        (ticks, nets, grosses) = (new int24[](count), new int128[](count), new uint128[](count));
        uint256 index;
        for (uint256 w; w < words; w++) {
            if (bitmap[w] == 0) continue;
            for (uint256 bit; bit < 256; bit++) {
                if (bitmap[w] & (1 << bit) == 0) continue;
                int24 tick = int24((int256(first) + int256(w)) * 256 + int256(bit)) * spacing;
                ticks[index] = tick;
                (grosses[index], nets[index],,,,,,) = IReadablePool(pool).ticks(tick);
                index++;
            }
        }
    }
}
