"""Callchains as columns: from the addresses of samples to numbers of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.numbering import Numbers
from faltcon.perf.tally import plain_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from faltcon.perf.attrs import Layout
    from faltcon.perf.replay import Mapping, Resolver
    from faltcon.perf.samples import Frame
    from faltcon.perf.walk import Words

__all__ = ["Chain", "Chains", "Framing"]

# Markers in a callchain (enum perf_callchain_context).
_CONTEXT_MAX = np.uint64((1 << 64) - 4095)
_CONTEXT_HYPERVISOR = np.uint64((1 << 64) - 32)
_CONTEXT_KERNEL = np.uint64((1 << 64) - 128)
_CONTEXT_USER = np.uint64((1 << 64) - 512)
_KERNEL_MODE = 1


@dataclass
class Chain:
    """Callchains of a batch of samples that fit their records.

    whole: of every sample, whether it fits. addresses: one chain behind the
    other, with the markers that are not at a chain's head. counts: of
    addresses, by chain. kernel: by chain, whether it begins in the kernel.
    """

    whole: NDArray[np.bool_]
    addresses: NDArray[np.uint64]
    counts: NDArray[np.int64]
    kernel: NDArray[np.bool_]


@dataclass(frozen=True)
class Chains:
    """Finds the callchains of samples of one layout."""

    layout: Layout

    def of(
        self,
        words: Words,
        places: NDArray[np.int64],
        heads: NDArray[np.uint64],
        sizes: NDArray[np.int64],
    ) -> Chain:
        """The callchains of the samples at these places."""
        begins, counts = self._runs(words, places, sizes)
        whole = counts >= 0
        kernel = ((heads >> np.uint64(32)) & np.uint64(7)) == _KERNEL_MODE
        begins, counts, kernel = begins[whole], counts[whole], kernel[whole]
        # Nearly every chain has its one mark at its head.
        heads = words.at(np.where(counts > 0, begins, places[whole]))
        marked = (counts > 0) & ((heads == _CONTEXT_KERNEL) | (heads == _CONTEXT_USER))
        kernel = np.where(marked, heads == _CONTEXT_KERNEL, kernel)
        begins, counts = begins + 8 * marked, counts - marked
        return Chain(whole, words.runs(begins, counts), counts, kernel)

    def _runs(
        self, words: Words, places: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each chain begins and how long it is; -1 where it does not fit."""
        layout = self.layout
        bodies = places + 8
        if layout.callchain < 0:
            fits = sizes >= 16 + layout.ip if layout.ip >= 0 else np.zeros(len(places), np.bool_)
            alone = np.where(fits, 1, -1 if layout.ip >= 0 else 0)
            return bodies + max(layout.ip, 0), alone
        at = np.full(len(places), layout.callchain)
        fits = np.ones(len(places), np.bool_)
        if layout.read_group:
            fits = sizes >= 16 + layout.group_at
            counters = words.at(np.where(fits, bodies + layout.group_at, places))
            fits &= counters <= sizes.astype(np.uint64)
            at += 8 * layout.read_group * np.where(fits, counters, 0).astype(np.int64)
        fits &= sizes >= 16 + at
        counts = words.at(np.where(fits, bodies + at, places))
        fits &= counts <= sizes.astype(np.uint64)
        lengths = np.where(fits, counts, 0).astype(np.int64)
        fits &= 16 + at + 8 * lengths <= sizes
        return bodies + at + 8, np.where(fits, lengths, -1)


class Framing:
    """Numbers the frames of a recording; `found` holds the frames by number."""

    def __init__(self, resolver: Resolver, *, addresses: bool) -> None:
        self.found: list[Frame] = []
        self.torn = 0
        self._numbers: dict[Frame, int] = {}
        self._resolver = resolver
        self._addresses = addresses
        self._kernel = Numbers()
        self._of_function: dict[int, int] = {}
        self._kernel_frames: NDArray[np.int32] = np.empty(0, np.int32)
        self._user = Numbers()
        self._mapped = Numbers()
        self._user_frames: NDArray[np.int32] = np.empty(0, np.int32)

    def frames(
        self,
        chains: Chain,
        maps: Callable[[], tuple[NDArray[np.int64], list[list[Mapping]]]],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Frame numbers, one stack behind the other, and how many are each stack's.

        maps: gives each chain's number of memory maps, and the maps by number;
        asked only where there are user frames.
        """
        addresses, lengths = chains.addresses, chains.counts
        if addresses.max(initial=0) < _CONTEXT_MAX:
            if chains.kernel[lengths > 0].all():
                return self._of_kernel(addresses), lengths
            kernel = np.repeat(chains.kernel, lengths)
        else:
            marks = addresses >= _CONTEXT_MAX
            wanted = ~marks & ~self._torn(chains, marks)
            kernel = _in_kernel(chains, marks)[wanted]
            before = np.append(0, np.cumsum(wanted))
            ends = np.cumsum(lengths)
            lengths = before[ends] - before[ends - lengths]
            addresses = addresses[wanted]
        numbers = np.empty(len(addresses), np.int32)
        numbers[kernel] = self._of_kernel(addresses[kernel])
        if not kernel.all():
            versions, known = maps()
            versions = np.repeat(versions, lengths)[~kernel]
            numbers[~kernel] = self._of_user(addresses[~kernel], versions, known)
        return numbers, lengths

    def _torn(self, chains: Chain, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of each address, whether its chain has a mark that perf does not know; counts them."""
        known = (_CONTEXT_HYPERVISOR, _CONTEXT_KERNEL, _CONTEXT_USER)
        odd = marks & ~np.isin(chains.addresses, np.array(known))
        owners = np.repeat(np.arange(len(chains.counts)), chains.counts)
        torn = np.zeros(len(chains.counts), np.bool_)
        torn[owners[odd]] = True
        self.torn += int(torn.sum())
        return torn[owners]

    def _of_kernel(self, addresses: NDArray[np.uint64]) -> NDArray[np.int32]:
        known = len(self._kernel)
        numbers = self._kernel.of(addresses)
        if len(self._kernel) > known:
            new = np.array(self._kernel.distinct()[known:], np.uint64)
            places, named = self._resolver.kernel_places(new)
            found = []
            for address, place, one_frame in zip(
                new.tolist(), places.tolist(), named.tolist(), strict=True
            ):
                # Addresses of one function make one frame.
                number = self._of_function.get(place) if one_frame else None
                if number is None:
                    number = self._number(self._resolver.kernel_frame(address))
                    if one_frame:
                        self._of_function[place] = number
                found.append(number)
            self._kernel_frames = np.append(self._kernel_frames, np.array(found, np.int32))
        return self._kernel_frames[numbers]

    def _of_user(
        self,
        addresses: NDArray[np.uint64],
        versions: NDArray[np.int64],
        maps: list[list[Mapping]],
    ) -> NDArray[np.int32]:
        own = self._user.of(addresses).astype(np.uint64)
        known = len(self._mapped)
        numbers = self._mapped.of((own << np.uint64(32)) | versions.astype(np.uint64))
        if len(self._mapped) > known:
            places = self._user.distinct()
            found = [
                self._number(self._resolver.user_frame(places[key >> 32], maps[key & 0xFFFFFFFF]))
                for key in self._mapped.distinct()[known:]
            ]
            self._user_frames = np.append(self._user_frames, np.array(found, np.int32))
        return self._user_frames[numbers]

    def _number(self, frame: Frame) -> int:
        plain = plain_frame(frame, addresses=self._addresses)
        number = self._numbers.setdefault(plain, len(self.found))
        if number == len(self.found):
            self.found.append(plain)
        return number


def _in_kernel(chains: Chain, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each address, whether it is the kernel's: a mark says whose addresses follow it."""
    addresses, counts = chains.addresses, chains.counts
    filled = counts > 0
    begins = (np.cumsum(counts) - counts)[filled]
    last = np.zeros(len(addresses), np.int64)
    # 2 * place + whose, so that the largest so far is the last one.
    last[begins] = 2 * begins + chains.kernel[filled]
    places = np.flatnonzero(marks)
    values = addresses[places]
    turns = (values == _CONTEXT_KERNEL) | (values == _CONTEXT_USER)
    last[places[turns]] = 2 * places[turns] + (values[turns] == _CONTEXT_KERNEL)
    found: NDArray[np.bool_] = (np.maximum.accumulate(last) & 1).astype(np.bool_)
    return found
