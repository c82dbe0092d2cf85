// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

contract Child {
    uint256 public immutable number;

    constructor(uint256 n) payable {
        require(n != 13, "unlucky");
        number = n;
    }

    function leave(address payable heir) external {
        selfdestruct(heir);
    }
}

/// Touches every corner of an EVM on which two chains could differ.
contract Probe {
    enum Mood { Calm, Angry }

    struct Point { int128 x; uint64 y; }

    struct Shape { string name; Mood mood; Point[] points; bytes32[2] tags; address owner; bool closed; }

    event Stored(uint256 indexed slot, uint256 value, address indexed by);
    event Shaped(bytes32 indexed id, Shape shape, string indexed label, bytes blob);
    event Paid(address indexed from, uint256 amount) anonymous;

    error TooSmall(uint256 given, uint256 least, Mood mood);
    error Plain();

    mapping(uint256 => uint256) public values;
    mapping(address => uint256) public balances;
    mapping(uint256 => bytes32) public hashes;
    uint256[] public list;
    address public immutable owner;
    string public title;

    constructor(string memory title_) payable {
        owner = msg.sender;
        title = title_;
    }

    receive() external payable { emit Paid(msg.sender, msg.value); }

    function store(uint256 slot, uint256 value) external returns (uint256) {
        values[slot] = value;
        emit Stored(slot, value, msg.sender);
        return value * 2;
    }

    function flip(uint256 slot, uint256 value) external {
        uint256 before = values[slot];
        values[slot] = value;
        values[slot] = 0;
        values[slot] = before;
    }

    function clear(uint256 first, uint256 last) external {
        for (uint256 i = first; i < last; i++) delete values[i];
    }

    function push(uint256 count) external { for (uint256 i; i < count; i++) list.push(i); }

    function shape(uint256 count) public view returns (Shape memory s) {
        s.name = title;
        s.mood = Mood.Angry;
        s.points = new Point[](count);
        for (uint256 i; i < count; i++) s.points[i] = Point(-int128(int256(i)), uint64(i));
        s.tags[1] = keccak256("tag");
        s.owner = owner;
        s.closed = true;
    }

    function shapes() external view returns (Shape[] memory many, uint256 count) {
        many = new Shape[](2);
        many[0] = shape(1);
        many[1] = shape(2);
        count = 2;
    }

    function sum(Point[] calldata points) external pure returns (int256 x, uint256 y) {
        for (uint256 i; i < points.length; i++) { x += points[i].x; y += points[i].y; }
    }

    function announce(uint256 count) external { emit Shaped(keccak256("id"), shape(count), "label", hex"00ff"); }

    function fail(uint256 kind) external payable {
        values[99] = kind;
        if (kind == 0) revert Plain();
        if (kind == 1) revert TooSmall(kind, 5, Mood.Angry);
        if (kind == 2) revert("a reason");
        if (kind == 3) assert(false);
        if (kind == 4) { uint256 zero = 0; values[1] = kind / zero; }
        if (kind == 5) assembly { invalid() }
        if (kind == 6) assembly { revert(0, 0) }
        if (kind == 7) while (true) values[kind]++;
        if (kind == 8) { uint256[] memory none = new uint256[](0); values[1] = none[kind]; }
    }

    function guarded(uint256 kind, uint256 gasLimit) external returns (bytes memory reason) {
        try this.fail{gas: gasLimit}(kind) { values[7]++; } catch (bytes memory r) { reason = r; }
        emit Stored(7, reason.length, msg.sender);
    }

    function deposit() external payable { balances[msg.sender] += msg.value; }

    function withdraw(address payable to, uint256 amount) external {
        balances[msg.sender] -= amount;
        (bool ok,) = to.call{value: amount}("");
        require(ok, "refused");
    }

    function spawn(uint256 n) external payable returns (address child) {
        child = address(new Child{value: msg.value}(n));
        emit Stored(n, uint160(child), child);
    }

    function spawnSalted(uint256 n, bytes32 salt) external returns (address child) {
        child = address(new Child{salt: salt}(n));
        emit Stored(n, uint160(child), child);
    }

    function spawnAndLeave(uint256 n, address payable heir) external payable {
        Child child = new Child{value: msg.value}(n);
        child.leave(heir);
        values[n] = address(child).code.length;
    }

    function record(uint256 number) external returns (bytes32 hash) {
        hash = blockhash(number);
        hashes[number] = keccak256(abi.encode(hash, msg.sender));
        emit Stored(number, uint256(hash), msg.sender);
    }

    function hashOf(uint256 number) external view returns (bytes32) { return blockhash(number); }

    function surroundings() external view returns (uint256 number, uint256 time, uint256 chain, uint256 limit) {
        return (block.number, block.timestamp, block.chainid, block.gaslimit);
    }

    function stamp() external payable {
        values[1000] = block.timestamp;
        values[1001] = block.number;
        values[1002] = block.basefee;
        values[1003] = tx.gasprice;
        values[1004] = block.gaslimit;
        values[1005] = block.chainid;
        values[1006] = uint160(tx.origin);
        values[1007] = address(this).balance;
        values[1008] = msg.sender.balance;
    }

    function hashAll(bytes calldata data) external {
        values[2000] = uint256(sha256(data));
        values[2001] = uint160(ripemd160(data));
        values[2002] = uint256(keccak256(data));
        (bool ok, bytes memory power) =
            address(5).staticcall(abi.encode(uint256(32), uint256(32), uint256(32), uint256(keccak256(data)), uint256(65537), type(uint256).max - 58));
        values[2003] = ok ? abi.decode(power, (uint256)) : 0;
        (ok, power) = address(4).staticcall(data);
        values[2004] = uint256(keccak256(power));
        values[2005] = mulmod(values[2002], values[2000], 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc2f);
        values[2006] = gasleft();
    }

    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) external returns (address signer) {
        signer = ecrecover(digest, v, r, s);
        values[3000] = uint160(signer);
    }

    function transient_(uint256 value) external returns (uint256 got) {
        assembly { got := tload(5) tstore(5, value) got := add(got, tload(5)) }
        values[5] = got;
    }

    function delegated(uint256 slot, uint256 value) external {
        (bool ok,) = address(this).delegatecall(abi.encodeCall(this.store, (slot, value)));
        require(ok);
        bool written;
        (written,) = address(this).staticcall(abi.encodeCall(this.store, (slot, value + 1)));
        values[slot + 1] = written ? 1 : 2;
    }

    function dig(uint256 depth) external returns (uint256) {
        if (depth == 0) return gasleft();
        values[depth] = this.dig(depth - 1);
        return values[depth];
    }

    function spin(uint256 count) external returns (uint256 state) {
        for (uint256 i; i < count; i++) state = uint256(keccak256(abi.encode(state, i)));
        values[4000] = state;
    }
}
