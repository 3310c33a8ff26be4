"""Everything that could carry a byte out of the lane, or past its end to a later evaluation."""

from attack import Attack, refused, system_call


def connect(name: str, family: str, address: str, kind: str = "SOCK_STREAM") -> Attack:
    return refused(name, f"""
        import socket
        socket.socket(socket.{family}, socket.{kind}).connect({address})
        """)  # fmt: skip


ATTACKS = (
    connect("a server of this machine", "AF_INET", "('127.0.0.1', int(example['port']))"),
    connect("a server of this machine, IPv6", "AF_INET6", "('::1', int(example['port']))"),
    connect("a server elsewhere", "AF_INET", "('1.1.1.1', 80)"),
    connect("a name server", "AF_INET", "('8.8.8.8', 53)", "SOCK_DGRAM"),
    connect("the metadata of a cloud", "AF_INET", "('169.254.169.254', 80)"),
    connect("a raw socket", "AF_INET", "('127.0.0.1', 0)", "SOCK_RAW"),
    connect("a name on the host, without a file", "AF_UNIX", "'\\0' + example['abstract']"),
    refused("a name lookup", "import socket\nsocket.getaddrinfo('example.org', 80)"),
    refused("a page", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:' + example['port'])"),
    refused("a server of its own", "import socket\nsocket.create_server(('', 0))"),
    refused("the kernel's routes", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"),
    refused("packets", "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    refused("the hypervisor", "import socket\nsocket.socket(40, socket.SOCK_STREAM)"),
    refused("the kernel's ciphers", "import socket\nsocket.socket(38, socket.SOCK_SEQPACKET)"),
    refused("bluetooth", "import socket\nsocket.socket(31, socket.SOCK_RAW, 1)"),
    refused("a pair of internet sockets", "import socket\nsocket.socketpair(socket.AF_INET)"),
    system_call("a ring of requests", 425, "8, 0"),
    system_call("shared memory that stays", 29, "77, 4096, 0o1666"),
    system_call("a queue that stays", 68, "77, 0o1666"),
    system_call("semaphores that stay", 64, "77, 1, 0o1666"),
    system_call("a named queue", 240, "b'left', 0o102, 0o666, 0"),
    system_call("a key in a keyring", 248, "b'user', b'x', b'x', 1, -3"),
    system_call("the session's keyring", 250, "0, -3, 1"),
)  # fmt: skip
