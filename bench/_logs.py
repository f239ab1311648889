"""Made lines of logs, as sshd, HDFS and Apache write them: forty frames with parameters, and which frame each is of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# <ip>, <n>, <user>, <block>, <path>, <host>, <hex> are parameters; what is written is a word of the frame.
FRAMES = """\
sshd Accepted password for <user> from <ip> port <n> ssh2
sshd Accepted publickey for <user> from <ip> port <n> ssh2 RSA <hex>
sshd Failed password for <user> from <ip> port <n> ssh2
sshd Failed password for invalid user <user> from <ip> port <n> ssh2
sshd Invalid user <user> from <ip>
sshd Received disconnect from <ip> : 11: Bye Bye [preauth]
sshd Connection closed by <ip> [preauth]
sshd Connection reset by <ip> port <n>
sshd pam_unix(sshd:session): session opened for user <user> by (uid=0)
sshd pam_unix(sshd:session): session closed for user <user>
sshd pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost= <host>
sshd pam_unix(sshd:auth): check pass; user unknown
sshd reverse mapping checking getaddrinfo for <host> failed - POSSIBLE BREAK-IN ATTEMPT!
sshd Did not receive identification string from <ip>
sshd Server listening on <ip> port <n>
sshd error: maximum authentication attempts exceeded for <user> from <ip> port <n> ssh2 [preauth]
sshd Disconnecting: Too many authentication failures for <user> [preauth]
DataNode Receiving block <block> src: <ip> dest: <ip>
DataNode Received block <block> of size <n> from <ip>
DataNode PacketResponder <n> for block <block> terminating
DataNode Served block <block> to <ip>
DataNode Deleting block <block> file <path>
DataNode Verification succeeded for <block>
DataNode Got exception while serving <block> to <ip>
DataNode Starting thread to transfer block <block> to <ip>
FSNamesystem BLOCK* NameSystem.allocateBlock: <path> <block>
FSNamesystem BLOCK* NameSystem.addStoredBlock: blockMap updated: <ip> is added to <block> size <n>
FSNamesystem BLOCK* NameSystem.delete: <block> is added to invalidSet of <ip>
FSNamesystem BLOCK* ask <ip> to replicate <block> to datanode(s) <ip>
FSNamesystem Roll Edit Log from <ip>
FSNamesystem Number of transactions: <n> Total time for transactions(ms): <n> SyncTimes(ms): <n>
httpd [notice] workerEnv.init() ok <path>
httpd [error] mod_jk child workerEnv in error state <n>
httpd [notice] jk2_init() Found child <n> in scoreboard slot <n>
httpd [error] [client <ip> Directory index forbidden by rule: <path>
httpd [error] [client <ip> File does not exist: <path>
httpd [error] jk2_init() Can't find child <n> in scoreboard
httpd [notice] caught SIGTERM, shutting down after <n> requests
httpd [warn] child process <n> still did not exit, sending a SIGTERM
httpd [error] [client <ip> client denied by server configuration: <path>
"""

_NAMES = ["root", "admin", "test", "guest", "oracle", "ubuntu", "deploy", "git", "www", "mysql", "ann", "bob", "eve"]


def _parameters(rng: np.random.Generator) -> dict[str, Callable[[], str]]:
    def number(high: int) -> int:
        return int(rng.integers(high))

    return {
        "<ip>": lambda: ".".join(str(number(256)) for _ in range(4)),
        "<n>": lambda: str(number(65536)),
        "<user>": lambda: _NAMES[number(len(_NAMES))] if number(3) else f"u{number(10**5)}",
        "<block>": lambda: f"blk_{number(10**9)}",
        "<path>": lambda: f"/data/{number(100)}/{number(10**6)}",
        "<host>": lambda: f"h{number(10**4)}.example.org",
        "<hex>": lambda: f"{number(2**32):08x}",
    }


def frames() -> list[list[str | None]]:
    """The frames as templates: a parameter is a slot, and neighbouring ones are one."""
    made = []
    for line in FRAMES.splitlines():
        words: list[str | None] = []
        for word in line.split():
            if not word.startswith("<"):
                words.append(word)
            elif not words or words[-1] is not None:
                words.append(None)
        made.append(words)
    return made


def lines(n: int, seed: int = 0) -> tuple[list[list[str]], list[int]]:
    """So many lines as words, and the number of each one's frame; some frames are ten times as frequent as others."""
    rng = np.random.default_rng(seed)
    made = [line.split() for line in FRAMES.splitlines()]
    weights = np.geomspace(10, 1, len(made))[rng.permutation(len(made))]
    which = rng.choice(len(made), n, p=weights / weights.sum()).tolist()
    parameters = _parameters(rng)
    return [[parameters[word]() if word in parameters else word for word in made[k]] for k in which], which
