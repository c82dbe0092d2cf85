// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "./Wired.sol";
import {IClock} from "./interfaces/IClock.sol";
import {IParams} from "./interfaces/IParams.sol";
import {IStakes} from "./interfaces/IStakes.sol";
import {IVault} from "./interfaces/IVault.sol";

contract Stakes is IStakes, Wired {
    struct Unbond {
        uint256 amount;
        uint256 ready;
    }

    IVault private immutable VAULT;
    IParams private immutable PARAMS;
    IClock private immutable CLOCK;

    mapping(address module => bool) public isModule;
    mapping(address token => mapping(address account => uint256)) public locked;
    mapping(address token => mapping(address account => Unbond)) private _unbonding;
    mapping(bytes32 obligation => Lock) private _locks;
    mapping(address token => mapping(Role role => Member[])) private _pools;
    mapping(address token => mapping(Role role => mapping(address account => uint256))) private _memberAt; // plus one
    mapping(address token => mapping(Role role => uint256[])) private _vacant; // places whose member retired
    mapping(address token => mapping(Role role => uint256)) public peak;

    constructor(IVault vault, IParams params, IClock clock) {
        VAULT = vault;
        PARAMS = params;
        CLOCK = clock;
    }

    function wire(address[] calldata modules) external once {
        for (uint256 i = 0; i < modules.length; i++) isModule[modules[i]] = true;
    }

    modifier onlyModule() {
        if (!isModule[msg.sender]) revert NotModule(msg.sender);
        _;
    }

    function stake(address token, uint256 amount) external {
        uint256 held = _bonded(token, msg.sender);
        for (uint8 role = 0; role <= uint8(Role.Aggregator); role++) {
            uint256 place = _memberAt[token][Role(role)][msg.sender];
            if (place == 0) continue;
            Member storage member = _pools[token][Role(role)][place - 1];
            // INVARIANT: who was short when a job was matched is out of its draw: one stake that wanders is not many lots.
            if (held < member.weight) member.enrolledAt = uint48(block.number);
        }
        VAULT.move(token, IVault.Kind.Free, _key(msg.sender), IVault.Kind.Staked, _key(msg.sender), amount);
        emit Staked(token, msg.sender, amount);
    }

    function unstake(address token, uint256 amount) external {
        Unbond storage leaving = _unbonding[token][msg.sender];
        uint256 idle = available(token, msg.sender);
        uint256 room = idle > leaving.amount ? idle - leaving.amount : 0;
        // INVARIANT: what is locked does not unbond.
        if (room < amount) revert NotEnoughStake(msg.sender, room, amount);
        uint256 ready = CLOCK.time() + PARAMS.limits().unbonding;
        leaving.amount += amount;
        leaving.ready = ready;
        emit Unbonding(token, msg.sender, amount, ready);
    }

    function release(address token) external returns (uint256 amount) {
        Unbond storage leaving = _unbonding[token][msg.sender];
        // INVARIANT: while the network is frozen no stake gets away.
        if (!CLOCK.reached(leaving.ready)) revert NotReady(leaving.ready);
        uint256 idle = available(token, msg.sender);
        // INVARIANT: locks never exceed the stake: what was locked while unbonding waits for its lock.
        amount = idle < leaving.amount ? idle : leaving.amount;
        leaving.amount -= amount;
        VAULT.move(token, IVault.Kind.Staked, _key(msg.sender), IVault.Kind.Free, _key(msg.sender), amount);
        emit Unstaked(token, msg.sender, amount);
    }

    function enrol(address token, Role role, uint96 weight, uint96 lockMax, uint32 windowMin) external {
        if (_memberAt[token][role][msg.sender] != 0) revert AlreadyEnrolled(msg.sender);
        uint256 minimum = PARAMS.poolMinimum(token);
        if (weight == 0 || weight < minimum) revert NotEnoughStake(msg.sender, weight, minimum);
        uint256 held = _bonded(token, msg.sender);
        if (held < weight) revert NotEnoughStake(msg.sender, held, weight);
        Member[] storage pool = _pools[token][role];
        uint256[] storage vacant = _vacant[token][role];
        // A retired member's place is used again, so that joining and leaving does not fill the pool with the dead.
        // INVARIANT: a place that changes hands counts for no job matched before, so that nobody picks a draw's outcome.
        uint256 place = pool.length;
        if (vacant.length > 0) {
            place = vacant[vacant.length - 1];
            vacant.pop();
        } else {
            pool.push();
        }
        pool[place] = Member(msg.sender, uint48(block.number), weight, lockMax, windowMin);
        _memberAt[token][role][msg.sender] = place + 1;
        if (weight > peak[token][role]) peak[token][role] = weight;
        emit Enrolled(token, role, msg.sender, place, weight);
    }

    function retire(address token, Role role) external {
        _retire(token, role, msg.sender);
    }

    function purge(address token, Role role, address account) external {
        uint256 place = _memberAt[token][role][account];
        if (place == 0) revert NotEnrolled(account);
        uint256 weight = _pools[token][role][place - 1].weight;
        if (_bonded(token, account) >= weight) revert NotReady(weight);
        _retire(token, role, account);
    }

    function lock(bytes32 obligation, address token, address account, uint256 amount) external onlyModule {
        // INVARIANT: one lock per obligation, ever, so that it is released exactly once.
        if (_locks[obligation].account != address(0)) revert LockExists(obligation);
        uint256 idle = available(token, account);
        // INVARIANT: no stake is locked twice.
        if (idle < amount) revert NotEnoughStake(account, idle, amount);
        locked[token][account] += amount;
        _locks[obligation] = Lock(account, token, amount, false);
        emit Locked(obligation, account, amount);
    }

    function unlock(bytes32 obligation) external onlyModule {
        Lock storage held = _live(obligation);
        held.released = true;
        locked[held.token][held.account] -= held.amount;
        emit Released(obligation, held.account, held.amount);
    }

    function slash(bytes32 obligation, uint256 amount, address challenger, uint256 job)
        external
        onlyModule
        returns (uint256 taken, uint256 toJob)
    {
        Lock storage held = _live(obligation);
        taken = amount < held.amount ? amount : held.amount;
        held.amount -= taken;
        (address token, address account) = (held.token, held.account);
        locked[token][account] -= taken;
        Unbond storage leaving = _unbonding[token][account];
        uint256 left = staked(token, account) - taken;
        if (leaving.amount > left) leaving.amount = left;

        // INVARIANT: at least a third is burned and at most a third goes to the challenger, so that a liar who
        // challenges itself, with the consumer as its friend, always loses the burn.
        uint256 toChallenger = challenger == address(0) ? 0 : taken / 3;
        // INVARIANT: silence is burned whole, so that a consumer never profits from windows that nobody can keep.
        toJob = toChallenger;
        uint256 burnedAmount = taken - toChallenger - toJob;
        bytes32 from = _key(account);
        VAULT.move(token, IVault.Kind.Staked, from, IVault.Kind.Burned, 0, burnedAmount);
        VAULT.move(token, IVault.Kind.Staked, from, IVault.Kind.Free, _key(challenger), toChallenger);
        VAULT.move(token, IVault.Kind.Staked, from, IVault.Kind.Escrow, bytes32(job), toJob);
        emit Slashed(obligation, account, taken, burnedAmount, toChallenger, toJob);
    }

    function staked(address token, address account) public view returns (uint256) {
        return VAULT.balance(token, IVault.Kind.Staked, _key(account));
    }

    function unbonding(address token, address account) external view returns (uint256 amount, uint256 ready) {
        Unbond storage leaving = _unbonding[token][account];
        return (leaving.amount, leaving.ready);
    }

    function available(address token, address account) public view returns (uint256) {
        return staked(token, account) - locked[token][account];
    }

    function lockOf(bytes32 obligation) external view returns (Lock memory) {
        return _locks[obligation];
    }

    function poolSize(address token, Role role) external view returns (uint256) {
        return _pools[token][role].length;
    }

    function poolAt(address token, Role role, uint256 index, uint256 blockNumber) external view returns (Member memory member) {
        member = _pools[token][role][index];
        // INVARIANT: nobody counts for more than it has at stake.
        if (member.enrolledAt > blockNumber || _bonded(token, member.account) < member.weight) member.weight = 0;
    }

    function memberOf(address token, Role role, address account) external view returns (Member memory member) {
        uint256 place = _memberAt[token][role][account];
        if (place == 0) return member;
        member = _pools[token][role][place - 1];
        if (_bonded(token, account) < member.weight) member.weight = 0;
    }

    function _retire(address token, Role role, address account) private {
        uint256 place = _memberAt[token][role][account];
        if (place == 0) revert NotEnrolled(account);
        delete _memberAt[token][role][account];
        delete _pools[token][role][place - 1];
        _vacant[token][role].push(place - 1);
        emit Retired(token, role, account, place - 1);
    }

    function _live(bytes32 obligation) private view returns (Lock storage held) {
        held = _locks[obligation];
        if (held.account == address(0) || held.released) revert NoLock(obligation);
    }

    function _bonded(address token, address account) private view returns (uint256) {
        return staked(token, account) - _unbonding[token][account].amount;
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
