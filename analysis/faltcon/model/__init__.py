"""FALTCON in plain Python: the executable specification of the paper's section 3.

Only the standard library is imported, so that a browser can run it. The parts,
in the order of the paper:

    server    the control path of Figure 2b, one method for each event       (3)
    state     the two structures and the f-state keeper, Table 2             (3.2)
    keeper    the f-struct keeper: keeping policy, elimination policy        (3.1)
    window    windows, counts, peaks of the keeping policy                   (3.1.1)
    archive   f_lookup, f_pull, f_push over per-core hash tables             (3.3)
    rss       how packets find their core                                    (3.3)
    policy    every choice, each open one a named parameter
    counters  what is counted; the kernel's counters must agree
    costs     cycles or instructions saved, from measured costs              (4.2)
    script    the file of scenarios that kernel and model both pass
    scenarios the same, played into the model; c_header: as C for the kernel
"""

from faltcon.model.archive import Archive, Node
from faltcon.model.counters import SHARED, Counters
from faltcon.model.policy import UNLIMITED, Counted, Eliminate, Policy, Scope, WindowKind
from faltcon.model.rss import Flow, Steering, indirection_table, rss_hash, steer, toeplitz
from faltcon.model.server import Request, Server
from faltcon.model.state import FKey, FRequestSock, FSynack, Segment

__all__ = [
    "SHARED",
    "UNLIMITED",
    "Archive",
    "Counted",
    "Counters",
    "Eliminate",
    "FKey",
    "FRequestSock",
    "FSynack",
    "Flow",
    "Node",
    "Policy",
    "Request",
    "Scope",
    "Segment",
    "Server",
    "Steering",
    "WindowKind",
    "indirection_table",
    "rss_hash",
    "steer",
    "toeplitz",
]
