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

interface IReadableAlgebra {
    function globalState() external view returns (uint160 price, int24 tick, uint16 fee, uint8, uint16, bool);
    function liquidity() external view returns (uint128);
    function ticks(int24 tick) external view returns (uint256 gross, int128 net, int24 previous, int24 next, uint256, uint256);
}

interface IReadableVault {
    function getPoolTokens(bytes32 id) external view returns (address[] memory, uint256[] memory, uint256);
}

interface IReadableVaultPool {
    function getVault() external view returns (address);
    function getPoolId() external view returns (bytes32);
    function getSwapFeePercentage() external view returns (uint256);
    function getNormalizedWeights() external view returns (uint256[] memory);
    function getAmplificationParameter() external view returns (uint256 value, bool, uint256);
    function getScalingFactors() external view returns (uint256[] memory);
}

interface IReadableManager {
    function extsload(bytes32 slot) external view returns (bytes32);
    function extsload(bytes32[] calldata slots) external view returns (bytes32[] memory);
}

/// @title Reads many pools in one call
/// @dev Never deployed: a state override places its code at an address for one eth_call.
contract MarketReader {
    int24 private constant MAX_TICK = 887272;
    uint256 private constant MANAGER_POOLS_SLOT = 6;

    enum Kind {
        Pair,
        Concentrated,
        Algebra,
        Weighted,
        Stable,
        Managed
    }

    struct Query {
        Kind kind;
        /// The pool; for a V4 pool its manager.
        address at;
        /// V4 only.
        bytes32 id;
        int24 tickSpacing;
    }

    /// @return state Per pool, empty if it does not answer: (reserve0, reserve1); (sqrtPriceX96, tick,
    /// liquidity, fees, ticks[], nets[], grosses[]), of whose
    ///  fees the lowest 24 bits are the pool's and the next 24, of V4, the protocol's in both directions;
    ///  or (balances[], weights[], swapFee, amp, scalingFactors[]), of which the arrays a pool does not have are empty.
    function read(Query[] calldata queries) external view returns (bytes[] memory state) {
        state = new bytes[](queries.length);
        for (uint256 i; i < queries.length; i++) {
            try this.readOne(queries[i]) returns (bytes memory one) {
                state[i] = one;
            } catch {}
        }
    }

    function readOne(Query calldata query) external view returns (bytes memory) {
        if (query.kind == Kind.Pair) {
            (uint112 reserve0, uint112 reserve1,) = IReadablePair(query.at).getReserves();
            return abi.encode(reserve0, reserve1);
        }
        if (query.kind == Kind.Concentrated) return _concentrated(query.at, query.tickSpacing);
        if (query.kind == Kind.Algebra) return _algebra(query.at);
        if (query.kind == Kind.Managed) return _managed(query.at, query.id, query.tickSpacing);
        return _vaultPool(IReadableVaultPool(query.at), query.kind == Kind.Weighted);
    }

    function _concentrated(address pool, int24 spacing) private view returns (bytes memory) {
        (uint160 price, int24 tick,,,,,) = IReadablePool(pool).slot0();
        (int16 first, uint256[] memory bitmap) = _words(spacing);
        for (uint256 w; w < bitmap.length; w++) bitmap[w] = IReadablePool(pool).tickBitmap(first + int16(int256(w)));
        int24[] memory ticks = _ticksOf(bitmap, first, spacing);
        (int128[] memory nets, uint128[] memory grosses) = (new int128[](ticks.length), new uint128[](ticks.length));
        for (uint256 i; i < ticks.length; i++) (grosses[i], nets[i],,,,,,) = IReadablePool(pool).ticks(ticks[i]);
        return abi.encode(price, tick, IReadablePool(pool).liquidity(), uint48(0), ticks, nets, grosses);
    }

    /// Algebra keeps its ticks in a linked list, from the lowest to the highest.
    function _algebra(address pool) private view returns (bytes memory) {
        (uint160 price, int24 tick, uint16 fee,,,) = IReadableAlgebra(pool).globalState();
        uint256 count;
        for (int24 at = -MAX_TICK; at != MAX_TICK; count++) (,,, at,,) = IReadableAlgebra(pool).ticks(at);
        count--;
        (int24[] memory ticks, int128[] memory nets, uint128[] memory grosses) = (new int24[](count), new int128[](count), new uint128[](count));
        (,,, int24 next,,) = IReadableAlgebra(pool).ticks(-MAX_TICK);
        for (uint256 i; i < count; i++) {
            ticks[i] = next;
            uint256 gross;
            (gross, nets[i],, next,,) = IReadableAlgebra(pool).ticks(next);
            grosses[i] = uint128(gross);
        }
        return abi.encode(price, tick, IReadableAlgebra(pool).liquidity(), uint48(fee), ticks, nets, grosses);
    }

    /// Uniswap V4 keeps all pools in the manager's storage: slot0, two fee growths, liquidity, ticks, bitmap.
    function _managed(address manager, bytes32 id, int24 spacing) private view returns (bytes memory) {
        uint256 pool = uint256(keccak256(abi.encodePacked(id, MANAGER_POOLS_SLOT)));
        uint256 slot0 = uint256(IReadableManager(manager).extsload(bytes32(pool)));
        (int16 first, uint256[] memory bitmap) = _words(spacing);
        bytes32[] memory slots = new bytes32[](bitmap.length);
        for (uint256 w; w < slots.length; w++) slots[w] = keccak256(abi.encodePacked(int256(first) + int256(w), pool + 5));
        bytes32[] memory found = IReadableManager(manager).extsload(slots);
        for (uint256 w; w < slots.length; w++) bitmap[w] = uint256(found[w]);
        int24[] memory ticks = _ticksOf(bitmap, first, spacing);
        slots = new bytes32[](ticks.length);
        for (uint256 i; i < ticks.length; i++) slots[i] = keccak256(abi.encodePacked(int256(ticks[i]), pool + 4));
        found = IReadableManager(manager).extsload(slots);
        (int128[] memory nets, uint128[] memory grosses) = (new int128[](ticks.length), new uint128[](ticks.length));
        for (uint256 i; i < ticks.length; i++) (nets[i], grosses[i]) = (int128(int256(uint256(found[i])) >> 128), uint128(uint256(found[i])));
        uint128 liquidity = uint128(uint256(IReadableManager(manager).extsload(bytes32(pool + 3))));
        return abi.encode(uint160(slot0), int24(uint24(slot0 >> 160)), liquidity, (uint48(uint24(slot0 >> 184)) << 24) | uint24(slot0 >> 208), ticks, nets, grosses);
    }

    function _vaultPool(IReadableVaultPool pool, bool weighted) private view returns (bytes memory) {
        (, uint256[] memory balances,) = IReadableVault(pool.getVault()).getPoolTokens(pool.getPoolId());
        uint256[] memory weights;
        uint256[] memory scales;
        uint256 amp;
        if (weighted) weights = pool.getNormalizedWeights();
        else (amp,,) = pool.getAmplificationParameter();
        // Pools of 2021 do not expose their scaling factors: they follow from the decimals.
        try pool.getScalingFactors() returns (uint256[] memory factors) {
            scales = factors;
        } catch {}
        return abi.encode(balances, weights, pool.getSwapFeePercentage(), amp, scales);
    }

    function _words(int24 spacing) private pure returns (int16 first, uint256[] memory bitmap) {
        int24 last = MAX_TICK / spacing;
        first = int16(-last >> 8);
        bitmap = new uint256[](uint256(int256(int16(last >> 8)) - first + 1));
    }

    function _ticksOf(uint256[] memory bitmap, int16 first, int24 spacing) private pure returns (int24[] memory ticks) {
        uint256 count;
        for (uint256 w; w < bitmap.length; w++) for (uint256 bits = bitmap[w]; bits != 0; bits &= bits - 1) count++;
        ticks = new int24[](count);
        uint256 index;
        for (uint256 w; w < bitmap.length; w++) {
            if (bitmap[w] == 0) continue;
            for (uint256 bit; bit < 256; bit++) {
                if (bitmap[w] & (1 << bit) == 0) continue;
                ticks[index++] = int24((int256(first) + int256(w)) * 256 + int256(bit)) * spacing;
            }
        }
    }
}
