"""What FALTCON would do with a trace: `faltcon.model` driven by tables of connections.

trace     connections as arrays: when each step of a handshake happens, and on which CPU
replay    a trace played into the plain model, event by event
twin      the same in compiled code, for millions of connections; proven equal
ideal     what other ways of keeping objects would do with the same trace
generate  synthetic traces with stated distributions; hostile ones among them
sweep     the design space, one row for each choice of parameters
memory    what the archive holds at a given rate of connections, by calculation
"""
