"""Callchains as columns: from the addresses of samples to numbers of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltcon.perf.numbering import Numbers, flat_places
from faltcon.perf.tally import plain_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.perf.attrs import Layout
    from faltcon.perf.replay import Mapping, Resolver
    from faltcon.perf.samples import Frame
    from faltcon.perf.walk import Words

__all__ = ["CONTEXT_MAX", "Chain", "Chains", "Framing"]

# Markers in a callchain (enum perf_callchain_context).
CONTEXT_MAX = np.uint64((1 << 64) - 4095)
_CONTEXT_HYPERVISOR = np.uint64((1 << 64) - 32)
_CONTEXT_KERNEL = np.uint64((1 << 64) - 128)
_CONTEXT_USER = np.uint64((1 << 64) - 512)
_KERNEL_MODE = 1


@dataclass
class Chain:
    """Callchains of a batch of samples that fit their records.

    whole: of every sample, whether it fits. leaf: by chain, the interrupted
    address; 0 where there is none, or where a marker stands there. words: hold
    the callers' addresses, with the markers that are not at a chain's head.
    begins: where in words each chain's callers begin; counts: how many they
    are. kernel: by chain, whether it begins in the kernel.
    """

    whole: NDArray[np.bool_]
    leaf: NDArray[np.uint64]
    words: NDArray[np.uint64]
    begins: NDArray[np.int64]
    counts: NDArray[np.int64]
    kernel: NDArray[np.bool_]

    def addresses(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The callers of these chains, one chain behind the other."""
        found: NDArray[np.uint64] = self.words[flat_places(self.begins[rows], self.counts[rows])]
        return found


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
        leaf = words.at(np.where(counts > 0, begins, places[whole]))
        plain = (counts > 0) & (leaf < CONTEXT_MAX)
        leaf[~plain] = 0
        begins, counts = begins + 8 * plain, counts - plain
        return Chain(whole, leaf, *words.window(begins, counts), counts, kernel)

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
        self._numbers: dict[Frame, int] = {}
        self._resolver = resolver
        self._addresses = addresses
        self._kernel = Numbers()
        self._of_function: dict[int, int] = {}
        self._kernel_frames: NDArray[np.int32] = np.empty(0, np.int32)
        self._user = Numbers()
        self._mapped = Numbers()
        self._user_frames: NDArray[np.int32] = np.empty(0, np.int32)

    def leaves(
        self,
        addresses: NDArray[np.uint64],
        kernel: NDArray[np.bool_],
        versions: NDArray[np.int64],
        maps: list[list[Mapping]],
    ) -> NDArray[np.int32]:
        """The frame number of each address.

        kernel: whether it is the kernel's; else versions has the number of its
        process's memory maps, and maps holds them by number.
        """
        if kernel.all():
            return self._of_kernel(addresses)
        numbers = np.empty(len(addresses), np.int32)
        numbers[kernel] = self._of_kernel(addresses[kernel])
        numbers[~kernel] = self._of_user(addresses[~kernel], versions[~kernel], maps)
        return numbers

    def frames(
        self,
        addresses: NDArray[np.uint64],
        lengths: NDArray[np.int64],
        kernel: NDArray[np.bool_],
        versions: NDArray[np.int64],
        maps: list[list[Mapping]],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
        """Frame numbers, one stack behind the other, how many are each stack's, which are torn.

        addresses: of the chains, with their markers; lengths: of each chain;
        kernel: whether it begins there; versions, maps: as for leaves. A torn
        chain, with a mark that perf does not know, has no frame.
        """
        marks = addresses >= CONTEXT_MAX
        torn = self._torn(addresses, lengths, marks)
        wanted = ~marks & ~np.repeat(torn, lengths)
        of_kernel = _in_kernel(addresses, lengths, kernel, marks)[wanted]
        before = np.append(0, np.cumsum(wanted))
        ends = np.cumsum(lengths)
        counts = before[ends] - before[ends - lengths]
        numbers = self.leaves(addresses[wanted], of_kernel, np.repeat(versions, counts), maps)
        return numbers, counts, torn

    @staticmethod
    def _torn(
        addresses: NDArray[np.uint64], lengths: NDArray[np.int64], marks: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Of each chain, whether it has a mark that perf does not know."""
        odd = marks.copy()
        for known in (_CONTEXT_HYPERVISOR, _CONTEXT_KERNEL, _CONTEXT_USER):
            odd &= addresses != known
        torn = np.zeros(len(lengths), np.bool_)
        torn[np.repeat(np.arange(len(lengths)), lengths)[odd]] = True
        return torn

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


def _in_kernel(
    addresses: NDArray[np.uint64],
    counts: NDArray[np.int64],
    kernel: NDArray[np.bool_],
    marks: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Of each address, whether it is the kernel's: a mark says whose addresses follow it."""
    filled = counts > 0
    begins = (np.cumsum(counts) - counts)[filled]
    last = np.zeros(len(addresses), np.int64)
    # 2 * place + whose, so that the largest so far is the last one.
    last[begins] = 2 * begins + kernel[filled]
    places = np.flatnonzero(marks)
    values = addresses[places]
    turns = (values == _CONTEXT_KERNEL) | (values == _CONTEXT_USER)
    last[places[turns]] = 2 * places[turns] + (values[turns] == _CONTEXT_KERNEL)
    found: NDArray[np.bool_] = (np.maximum.accumulate(last) & 1).astype(np.bool_)
    return found
