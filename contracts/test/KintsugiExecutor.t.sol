// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {KintsugiExecutor} from "../src/KintsugiExecutor.sol";
import {LocalToken} from "../src/LocalToken.sol";
import {LocalTrader} from "../src/LocalTrader.sol";
import {Venues} from "../src/Venues.sol";

interface Vm {
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function prank(address sender) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function warp(uint256 timestamp) external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function assume(bool condition) external pure;
}

interface IV2Factory {
    function createPair(address a, address b) external returns (address);
}

interface IV2 {
    function sync() external;
    function getReserves() external view returns (uint112, uint112, uint32);
}

interface IV3Factory {
    function createPool(address a, address b, uint24 fee) external returns (address);
}

interface IV3 {
    function initialize(uint160 price) external;
}

/// A lender with Aave's interface whose callback the test configures.
contract AaveLike {
    uint256 public premiumBps = 5;
    address public lieAboutInitiator;
    bool public silent;

    function setLie(address initiator) external {
        lieAboutInitiator = initiator;
    }

    function setSilent() external {
        silent = true;
    }

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        if (silent) return;
        LocalToken(asset).transfer(receiver, amount);
        uint256 premium = (amount * premiumBps + 5000) / 10000;
        address initiator = lieAboutInitiator == address(0) ? msg.sender : lieAboutInitiator;
        KintsugiExecutor(payable(receiver)).executeOperation(asset, amount, premium, initiator, params);
        LocalToken(asset).transferFrom(receiver, address(this), amount + premium);
    }

    function callBack(KintsugiExecutor target, address asset, bytes calldata params) external {
        target.executeOperation(asset, 1, 0, address(target), params);
    }
}

contract BalancerLike {
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data) external {
        LocalToken token = LocalToken(tokens[0]);
        uint256 before = token.balanceOf(address(this));
        token.transfer(recipient, amounts[0]);
        KintsugiExecutor(payable(recipient)).receiveFlashLoan(tokens, amounts, new uint256[](1), data);
        require(token.balanceOf(address(this)) >= before, "not repaid");
    }
}

/// A pair that calls execute again from inside a swap.
contract ReenteringPair {
    KintsugiExecutor private immutable target;
    bytes private plan;

    constructor(KintsugiExecutor target_) {
        target = target_;
    }

    function setPlan(bytes calldata plan_) external {
        plan = plan_;
    }

    function getReserves() external pure returns (uint112, uint112, uint32) {
        return (1e24, 1e24, 0);
    }

    function swap(uint256, uint256, address, bytes calldata) external {
        target.execute(plan);
    }
}

abstract contract LocalTokenLike {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function _taxed() internal pure virtual returns (bool) {
        return false;
    }

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += _taxed() ? value * 99 / 100 : value;
    }
}

/// Takes one per cent of every transfer.
contract TaxedToken is LocalTokenLike {
    function _taxed() internal pure override returns (bool) {
        return true;
    }
}

/// Returns nothing from transfer and approve, as USDT does.
contract SilentToken is LocalTokenLike {}

contract KintsugiExecutorTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant OPERATOR = address(0xA1);
    address private constant TREASURY = address(0xA2);
    address private constant OWNER = address(0xA3);
    uint256 private constant ONE = 1e18;

    KintsugiExecutor private executor;
    LocalTrader private trader;
    AaveLike private aave;
    BalancerLike private vault;
    LocalToken private a;
    LocalToken private b;
    LocalToken private c;
    address private cheap;
    address private dear;
    address private deep;
    address private lenderPair;
    address private bridge;
    address private third;

    function setUp() public {
        vault = new BalancerLike();
        executor = new KintsugiExecutor(OWNER, OPERATOR, TREASURY, address(vault), address(0), address(0));
        trader = new LocalTrader(address(vault), address(0), address(0));
        aave = new AaveLike();
        (a, b, c) = (new LocalToken("A", "A", 18), new LocalToken("B", "B", 18), new LocalToken("C", "C", 18));
        string memory json = vm.readFile("node_modules/@uniswap/v2-core/build/UniswapV2Factory.json");
        bytes memory v2 = bytes.concat(vm.parseBytes(string.concat("0x", vm.parseJsonString(json, ".evm.bytecode.object"))), abi.encode(address(this)));
        // Two exchanges: A costs 2000 B on the one and 2200 B on the other.
        cheap = _pair(v2, a, b, 1_000 * ONE, 2_000_000 * ONE);
        dear = _pair(v2, a, b, 1_000 * ONE, 2_200_000 * ONE);
        lenderPair = _pair(v2, b, c, 5_000_000 * ONE, 5_000_000 * ONE);
        third = _pair(v2, b, c, 5_000_000 * ONE, 5_000_000 * ONE);
        bridge = _pair(v2, a, c, 1_000 * ONE, 2_200_000 * ONE);
        bytes memory v3 = vm.parseJsonBytes(vm.readFile("node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"), ".bytecode");
        address factory = _create(v3);
        deep = IV3Factory(factory).createPool(address(b), address(c), 500);
        IV3(deep).initialize(1 << 96);
        b.mint(address(trader), 10_000_000 * ONE);
        c.mint(address(trader), 10_000_000 * ONE);
        trader.addLiquidity(deep, -60000, 60000, 1_000_000e18);
        b.mint(address(aave), 1_000_000 * ONE);
        b.mint(address(vault), 1_000_000 * ONE);
    }

    // ---- execution

    function testEarnsWithEachLender() public {
        _earns(1, address(aave));
    }

    function testEarnsWithBalancer() public {
        _earns(2, address(vault));
    }

    function testEarnsWithV3Flash() public {
        _earns(3, deep);
    }

    function testEarnsWithV2FlashSwap() public {
        _earns(4, lenderPair);
    }

    function testTwoCyclesShareOneLoan() public {
        // The second cycle needs the loan again, and its result depends on the state after the first.
        bytes memory two = _twoLegs();
        bytes memory plan = bytes.concat(_plan(_head(2, address(vault), b, 10_000 * ONE, 1), two), bytes1(uint8(2)), bytes16(uint128(9_000 * ONE)), two);
        uint256 before = _treasury(b);
        uint256 start = vm.snapshotState();
        _execute(_plan(_head(2, address(vault), b, 10_000 * ONE, 1), two));
        uint256 first = _treasury(b) - before;
        _execute(_plan(_head(2, address(vault), b, 9_000 * ONE, 1), two));
        uint256 both = _treasury(b) - before;
        require(vm.revertToState(start));
        _execute(plan);
        require(_treasury(b) - before == both && both > first, "not the same as one after another");
    }

    function testACycleCannotSpendMoreThanThereIs() public {
        bytes memory two = _twoLegs();
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(bytes.concat(_plan(_head(2, address(vault), b, ONE, 1), two), bytes1(uint8(2)), bytes16(uint128(10_000 * ONE)), two));
    }

    function testOwnCapitalComesBackWithTheProfit() public {
        b.mint(TREASURY, 20_000 * ONE);
        bytes memory plan = _plan(_head(5, TREASURY, b, 20_000 * ONE, 1), _twoLegs());
        // Without the treasury's permission nothing moves.
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Venues.TransferFailed.selector, address(b)));
        executor.execute(plan);
        vm.prank(TREASURY);
        b.approve(address(executor), 20_000 * ONE);
        uint256 before = _treasury(b);
        _execute(plan);
        require(_treasury(b) > before && b.balanceOf(address(executor)) == 0, "not all came back");
        // No other account's funds, whatever allowance it has given.
        _refuses(_plan(_head(5, address(aave), b, ONE, 1), _twoLegs()), KintsugiExecutor.MalformedPlan.selector);
    }

    function testOwnCapitalIsNotLost() public {
        b.mint(TREASURY, 20_000 * ONE);
        vm.prank(TREASURY);
        b.approve(address(executor), 20_000 * ONE);
        uint256 before = _treasury(b);
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(_plan(_head(5, TREASURY, b, 1_000 * ONE, 1), bytes.concat(_leg(false, dear, b, a, 30), _leg(false, cheap, a, b, 30))));
        require(_treasury(b) == before, "lost");
    }

    function testOnlyTheVenueAwaitedMayCallBack() public {
        vm.expectRevert(abi.encodeWithSelector(Venues.UnexpectedCallback.selector, address(this)));
        executor.unlockCallback("");
        vm.expectRevert(abi.encodeWithSelector(Venues.UnexpectedCallback.selector, address(this)));
        executor.algebraSwapCallback(1, 0, abi.encodePacked(address(b)));
    }

    function testAnUnknownVenueIsRefused() public {
        bytes memory leg = abi.encodePacked(uint8(9), uint16(30), cheap, address(b));
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Venues.UnknownVenue.selector, 9));
        executor.execute(_plan(_head(2, address(vault), b, ONE, 1), bytes.concat(leg, _leg(false, dear, a, b, 30))));
    }

    function testFiveLegsOverBothKinds() public {
        bytes memory plan = _plan(_head(2, address(vault), b, 10_000 * ONE, 1), bytes.concat(_leg(true, deep, b, c, 0), _leg(false, lenderPair, c, b, 30), _leg(false, cheap, b, a, 30), _leg(false, dear, a, b, 30)));
        uint256 spread = _treasury(b);
        _execute(plan);
        require(_treasury(b) > spread, "no profit");
        bytes memory five = _plan(_head(2, address(vault), b, 2_000 * ONE, 1), bytes.concat(_leg(false, cheap, b, a, 30), _leg(false, bridge, a, c, 30), _leg(true, deep, c, b, 0), _leg(false, lenderPair, b, c, 30), _leg(false, third, c, b, 30)));
        spread = _treasury(b);
        _execute(five);
        require(_treasury(b) > spread, "no profit over five legs");
        _empty();
    }

    function testARouteThatEndsInAnotherTokenReverts() public {
        bytes memory plan = _plan(_head(2, address(vault), b, 1_000 * ONE, 1), bytes.concat(_leg(false, cheap, b, a, 30), _leg(false, bridge, a, c, 30)));
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(plan);
        _empty();
    }

    function testFuzzProfitIsNeverBelowTheLeast(uint96 amount, uint96 least) public {
        vm.assume(amount > 1e12 && amount < 900_000 * ONE);
        bytes memory plan = _plan(_head(2, address(vault), b, amount, least), _twoLegs());
        uint256 before = _treasury(b);
        uint256 lent = b.balanceOf(address(vault));
        vm.prank(OPERATOR);
        try executor.execute(plan) {
            require(_treasury(b) - before >= least, "less than the least");
        } catch {
            require(_treasury(b) == before, "paid although it reverted");
        }
        require(b.balanceOf(address(vault)) >= lent, "the lender lost");
        _empty();
    }

    // ---- refusals

    function testOnlyTheOperator() public {
        bytes memory plan = _plan(_head(2, address(vault), b, ONE, 1), _twoLegs());
        vm.expectRevert(KintsugiExecutor.NotOperator.selector);
        executor.execute(plan);
        vm.prank(OWNER);
        vm.expectRevert(KintsugiExecutor.NotOperator.selector);
        executor.execute(plan);
    }

    function testUnprofitableRevertsWithTheNumbers() public {
        bytes memory plan = _plan(_head(2, address(vault), b, 1_000 * ONE, uint128(1_000_000 * ONE)), _twoLegs());
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(plan);
        bytes memory backwards = _plan(_head(2, address(vault), b, 1_000 * ONE, 1), bytes.concat(_leg(false, dear, b, a, 30), _leg(false, cheap, a, b, 30)));
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(backwards);
        _empty();
    }

    function testTheNativeCoinIsTakenFromPoolsOnly() public {
        (bool ok,) = address(executor).call{value: 1}("");
        require(!ok && address(executor).balance == 0);
    }

    function testPastTheDeadline() public {
        vm.warp(1_000);
        bytes memory plan = _plan(_headUntil(2, address(vault), b, ONE, 1, 999), _twoLegs());
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(KintsugiExecutor.Expired.selector, 999));
        executor.execute(plan);
    }

    function testMalformedPlans() public {
        bytes memory plan = _plan(_head(2, address(vault), b, ONE, 1), _twoLegs());
        _refuses("", KintsugiExecutor.MalformedPlan.selector);
        _refuses(bytes.concat(plan, hex"00"), KintsugiExecutor.MalformedPlan.selector);
        _refuses(_plan(_head(2, address(vault), b, ONE, 1), _leg(false, cheap, b, a, 30)), KintsugiExecutor.MalformedPlan.selector);
        _refuses(_plan(_head(9, address(vault), b, ONE, 1), _twoLegs()), KintsugiExecutor.MalformedPlan.selector);
        aave.setSilent();
        _refuses(_plan(_head(1, address(aave), b, ONE, 1), _twoLegs()), KintsugiExecutor.MalformedPlan.selector);
    }

    function testCallbacksFromOutsiders() public {
        bytes memory plan = _plan(_head(1, address(this), b, ONE, 1), _twoLegs());
        bytes memory refusal = abi.encodeWithSelector(Venues.UnexpectedCallback.selector, address(this));
        vm.expectRevert(refusal);
        executor.executeOperation(address(b), 1, 0, address(executor), plan);
        vm.expectRevert(refusal);
        executor.receiveFlashLoan(_one(address(b)), _oneAmount(1), _oneAmount(0), plan);
        vm.expectRevert(refusal);
        executor.uniswapV3FlashCallback(0, 0, plan);
        vm.expectRevert(refusal);
        executor.uniswapV2Call(address(executor), 1, 0, plan);
        vm.expectRevert(refusal);
        executor.uniswapV3SwapCallback(1, 0, abi.encodePacked(address(b)));
    }

    function testForeignInitiators() public {
        aave.setLie(address(this));
        bytes memory plan = _plan(_head(1, address(aave), b, 1_000 * ONE, 1), _twoLegs());
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Venues.UnexpectedCallback.selector, address(aave)));
        executor.execute(plan);
        // A real pair, but a flash swap of another account towards us.
        bytes memory ours = _plan(_head(4, lenderPair, b, 1_000 * ONE, 1), _twoLegs());
        vm.expectRevert();
        IV2Swap(lenderPair).swap(address(b) < address(c) ? 1_000 * ONE : 0, address(b) < address(c) ? 0 : 1_000 * ONE, address(executor), ours);
        // A real lender that calls when no plan is in flight.
        vm.expectRevert(abi.encodeWithSelector(Venues.UnexpectedCallback.selector, address(aave)));
        aave.callBack(executor, address(b), ours);
    }

    function testReentrance() public {
        ReenteringPair bad = new ReenteringPair(executor);
        bytes memory inner = _plan(_head(2, address(vault), b, ONE, 1), _twoLegs());
        bad.setPlan(inner);
        bytes memory plan = _plan(_head(2, address(vault), b, 1_000 * ONE, 1), bytes.concat(_leg(false, address(bad), b, a, 30), _leg(false, dear, a, b, 30)));
        vm.prank(OPERATOR);
        vm.expectRevert(KintsugiExecutor.NotOperator.selector);
        executor.execute(plan);
    }

    function testTaxedTokenReverts() public {
        TaxedToken taxed = new TaxedToken();
        (address first, address second) = (_fakePair(address(taxed), address(b), 1_000 * ONE, 2_000_000 * ONE), dear);
        bytes memory plan = _plan(_head(2, address(vault), b, 1_000 * ONE, 1), bytes.concat(_leg(false, first, b, LocalToken(address(taxed)), 30), _leg(false, second, LocalToken(address(taxed)), b, 30)));
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(plan);
        _empty();
    }

    function testTokenThatReturnsNothing() public {
        SilentToken silent = new SilentToken();
        silent.mint(address(executor), 5);
        vm.prank(OWNER);
        executor.sweep(address(silent));
        require(silent.balanceOf(TREASURY) == 5, "not swept");
    }

    function testSweepAndOperatorAreTheOwners() public {
        b.mint(address(executor), 7);
        vm.expectRevert(KintsugiExecutor.NotOwner.selector);
        executor.sweep(address(b));
        vm.expectRevert(KintsugiExecutor.NotOwner.selector);
        executor.setOperator(address(this));
        uint256 before = _treasury(b);
        vm.prank(OWNER);
        executor.sweep(address(b));
        require(_treasury(b) == before + 7, "not swept");
        vm.prank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(Venues.TransferFailed.selector, address(0xdead)));
        executor.sweep(address(0xdead));
        vm.prank(OWNER);
        executor.setOperator(address(this));
        executor.execute(_plan(_head(2, address(vault), b, 1_000 * ONE, 1), _twoLegs()));
    }

    function testDonatedTokensAreNotTakenForProfit() public {
        b.mint(address(executor), 1_000_000 * ONE);
        bytes memory backwards = _plan(_head(2, address(vault), b, 1_000 * ONE, 1), bytes.concat(_leg(false, dear, b, a, 30), _leg(false, cheap, a, b, 30)));
        vm.prank(OPERATOR);
        vm.expectRevert();
        executor.execute(backwards);
    }

    // ---- encoding of plans

    function _earns(uint8 kind, address lender) private {
        uint256 before = _treasury(b);
        _execute(_plan(_head(kind, lender, b, 20_000 * ONE, 1), _twoLegs()));
        require(_treasury(b) > before, "no profit");
        _empty();
        require(b.allowance(address(executor), lender) == 0, "something is left approved");
    }

    function _execute(bytes memory plan) private {
        vm.prank(OPERATOR);
        executor.execute(plan);
    }

    function _refuses(bytes memory plan, bytes4 why) private {
        vm.prank(OPERATOR);
        vm.expectRevert(why);
        executor.execute(plan);
    }

    function _empty() private view {
        require(a.balanceOf(address(executor)) == 0 && b.balanceOf(address(executor)) == 0 && c.balanceOf(address(executor)) == 0, "something is left");
    }

    function _treasury(LocalToken token) private view returns (uint256) {
        return token.balanceOf(TREASURY);
    }

    /// One cycle that takes the whole loan.
    function _plan(bytes memory head, bytes memory legs) private pure returns (bytes memory) {
        bytes16 amount;
        assembly {
            amount := mload(add(head, 73))
        }
        return bytes.concat(head, bytes1(uint8(legs.length / 43)), amount, legs);
    }

    function _twoLegs() private view returns (bytes memory) {
        return bytes.concat(_leg(false, cheap, b, a, 30), _leg(false, dear, a, b, 30));
    }

    function _head(uint8 kind, address lender, LocalToken token, uint256 amount, uint256 least) private view returns (bytes memory) {
        return _headUntil(kind, lender, token, amount, least, type(uint64).max);
    }

    function _headUntil(uint8 kind, address lender, LocalToken token, uint256 amount, uint256 least, uint64 deadline) private view returns (bytes memory) {
        address other = address(token) == address(b) ? address(c) : address(b);
        if (address(token) < other) kind |= 0x80;
        return abi.encodePacked(kind, lender, address(token), uint128(amount), uint128(least), deadline);
    }

    function _leg(bool concentrated, address pool, LocalToken from, LocalToken, uint16 feeBps) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(concentrated ? 1 : 0), feeBps, pool, address(from));
    }

    function _pair(bytes memory factoryCode, LocalToken x, LocalToken y, uint256 amountX, uint256 amountY) private returns (address pair) {
        pair = IV2Factory(_create(factoryCode)).createPair(address(x), address(y));
        x.mint(pair, amountX);
        y.mint(pair, amountY);
        IV2(pair).sync();
    }

    function _fakePair(address x, address y, uint256 amountX, uint256 amountY) private returns (address pair) {
        string memory json = vm.readFile("node_modules/@uniswap/v2-core/build/UniswapV2Factory.json");
        pair = IV2Factory(_create(bytes.concat(vm.parseBytes(string.concat("0x", vm.parseJsonString(json, ".evm.bytecode.object"))), abi.encode(address(this))))).createPair(x, y);
        TaxedToken(x).mint(pair, amountX);
        LocalToken(y).mint(pair, amountY);
        IV2(pair).sync();
    }

    function _create(bytes memory code) private returns (address created) {
        assembly {
            created := create(0, add(code, 32), mload(code))
        }
        require(created != address(0), "not deployed");
    }

    function _one(address value) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = value;
    }

    function _oneAmount(uint256 value) private pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = value;
    }
}

interface IV2Swap {
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}
