"""Records that a process writes itself, and values that are no scores."""

from attack import BRIEF, Attack, ends, harmless, scores

from svc_reward.lane.wire import Status

_PACK = "import os, struct\ndef pack(version=2, status=1, value=0.75, parts=0, flags=0, size=0, length=0):\n return struct.pack('>BBdHHII', version, status, value, parts, flags, size, length)\n"
_END = "\nos._exit(0)"


def junk(name: str, data: str) -> Attack:
    return ends(name, f"{_PACK}os.write(4, {data}){_END}", Status.CRASH)


def no_score(name: str, value: str) -> Attack:
    return ends(name, f"return {value}", Status.INVALID_SCORE)


ATTACKS = (
    junk("text", "b'{\"score\": 1.0}' * 10"),
    junk("zeros", "bytes(22)"),
    junk("half a record", "pack()[:10]"),
    junk("a record of another version", "pack(version=1)"),
    junk("a status of infrastructure", "pack(status=11)"),
    junk("another status of infrastructure", "pack(status=12)"),
    junk("a timeout that was none", "pack(status=4)"),
    junk("a crash that was none", "pack(status=9)"),
    junk("a status that does not exist", "pack(status=200)"),
    junk("two records", "pack() + pack(value=0.25)"),
    junk("a record and more", "pack() + b'x'"),
    junk("more parts than there may be", "pack(parts=65535)"),
    junk("parts without names", "pack(parts=1, size=9) + bytes(9)"),
    junk("a part with a name for terminals", "pack(parts=1, size=13) + b'\\x04\\x1b[2J' + bytes(8)"),
    junk("flags that are not there", "pack(flags=32)"),
    junk("a name longer than the record", "pack(flags=1, size=2) + b'\\xffa'"),
    junk("a message longer than the record", "pack(length=100) + b'x'"),
    junk("a message longer than any", "pack(length=5000) + b'x' * 5000"),
    junk("a record of four gigabytes", "pack(length=2**32 - 1) + b'x' * 60_000"),
    ends("ten megabytes of result", f"{_PACK}for _ in range(160): os.write(4, bytes(65536)){_END}",
         Status.CRASH),
    ends("half a record, and a wait", f"{_PACK}os.write(4, pack()[:10])\nimport time\ntime.sleep(60)",
         Status.TIMEOUT, Status.CRASH, limits=BRIEF),
    ends("a record byte by byte, too slowly", f"{_PACK}import time\nfor b in pack(length=4000): os.write(4, bytes((b,))); time.sleep(0.2)",
         Status.TIMEOUT, limits=BRIEF),
    ends("a NaN of its own", f"{_PACK}os.write(4, pack(value=float('nan'))){_END}", Status.INVALID_SCORE),
    ends("an infinity of its own", f"{_PACK}os.write(4, pack(value=float('-inf'))){_END}", Status.INVALID_SCORE),
    ends("a number out of range", f"{_PACK}os.write(4, pack(value=1e300)){_END}", Status.INVALID_SCORE),
    ends("a part that is a NaN", f"{_PACK}os.write(4, pack(parts=1, size=10) + b'\\x01a' + struct.pack('>d', float('nan'))){_END}",
         Status.INVALID_SCORE),
    ends("no score, with a number", f"{_PACK}os.write(4, pack(status=3)){_END}", Status.ERROR),
    ends("a closed result", "import os\nos.close(4)\nreturn 1", Status.CRASH),
    ends("no descriptor left", "import os\nos.closerange(0, 256)\nreturn 1", Status.CRASH),
    ends("junk on every descriptor", """
        import os
        for fd in range(256):
            try: os.write(fd, b"\\xff" * 64)
            except OSError: pass
        return 1
        """, Status.CRASH),
    ends("an exit without a word", "import os\nos._exit(0)", Status.CRASH),
    ends("an exit with a code", "import os\nos._exit(42)", Status.CRASH),
    harmless("a second record, later, by a child", f"{_PACK}import time\nif os.fork() == 0:\n time.sleep(0.1)\n os.write(4, pack())\n os._exit(0)").with_own_uid(),
    harmless("a flood of the result pipe after the end", """
        import os, time
        if os.fork() == 0:
            time.sleep(0.05)
            while True: os.write(4, b"x")
        """).with_own_uid(),
    no_score("a text", "'1.0'"),
    no_score("bytes", "b'1'"),
    no_score("a NaN", "float('nan')"),
    no_score("an infinity", "float('inf')"),
    no_score("a negative infinity", "-float('inf')"),
    no_score("an integer too large", "10 ** 400"),
    no_score("an integer far too long to print", "10 ** 10_000"),
    no_score("a returned number out of range", "1e7"),
    no_score("a complex number", "1 + 0j"),
    no_score("a list", "[1.0]"),
    no_score("a function", "reward"),
    no_score("a generator", "(x for x in [1])"),
    no_score("a class", "float"),
    no_score("an empty dict", "{}"),
    no_score("a dict with other names", "{'score': 1, 'bonus': 2}"),
    no_score("a dict in a dict", "{'score': {'score': 1}}"),
    no_score("a part that is no number", "{'score': 1, 'scores': {'a': 'x'}}"),
    no_score("a part that is a NaN, in a dict", "{'score': 1, 'scores': {'a': float('nan')}}"),
    no_score("a part with a strange name", "{'score': 1, 'scores': {'a\\x1b': 1}}"),
    no_score("a thousand parts", "{'score': 1, 'scores': {str(n): 1 for n in range(1000)}}"),
    no_score("a thousand flags", "{'score': 1, 'flags': ['a'] * 1000}"),
    no_score("a flag that is no text", "{'score': 1, 'flags': [1]}"),
    no_score("an object whose number raises", "type('N', (), {'__float__': lambda s: 1 / 0})()"),
    no_score("an object whose number is a text", "type('N', (), {'__float__': lambda s: 'x'})()"),
    no_score("an object whose number is a NaN", "type('N', (), {'__float__': lambda s: float('nan')})()"),
    ends("an object whose number leaves", "return type('N', (), {'__float__': lambda s: exit(0)})()",
         Status.ERROR, Status.INVALID_SCORE),
    ends("an object whose number never comes", """
        class N:
            def __float__(self):
                while True: pass
        return N()
        """, Status.TIMEOUT, limits=BRIEF),
    ends("a dict whose names raise", """
        class K(str):
            __hash__ = str.__hash__
            def __eq__(self, other): raise ZeroDivisionError
            def __repr__(self): raise ZeroDivisionError
        return {K("score"): 1}
        """, Status.ERROR, Status.INVALID_SCORE),
    ends("a reason that raises", "return {'score': 1, 'reason': type('R', (), {'__str__': lambda s: 1 / 0})()}",
         Status.ERROR, Status.INVALID_SCORE),
    ends("nothing", "return None", Status.INVALID),
    ends("not valid", "return {'valid': False, 'reason': '\\x1b[31m' * 3000}", Status.INVALID),
    scores("a truth", "return True", 1.0),
    scores("a fraction", "from fractions import Fraction\nreturn Fraction(1, 4)", 0.25),
    scores("a decimal", "from decimal import Decimal\nreturn Decimal('0.5')", 0.5),
    scores("a float that is more than a float", """
        class F(float):
            def __float__(self): return 0.5
        return F(3)
        """, 0.5),
)  # fmt: skip
