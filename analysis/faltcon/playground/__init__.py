"""What the playground page asks of Python in the browser: JSON in, JSON out.

The page runs this package in a worker (Pyodide). Here nothing is imported but
the standard library, `faltcon.model`, and of `faltcon.traffic` what reads
packets and HAR, which needs dpkt, h11, hpack and hyperframe: pure Python. So a
file dropped on the page is read by the code that the chapters use, and does
not leave the machine.

    traces  files and the built-in story to handshakes
    play    handshakes played into the model, event by event
    page    the answers that the page draws
"""

from faltcon.playground.page import Playground
from faltcon.playground.play import Moment, play
from faltcon.playground.traces import Handshake, Traced, read, story

__all__ = ["Handshake", "Moment", "Playground", "Traced", "play", "read", "story"]
