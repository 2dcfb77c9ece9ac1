# ruff: noqa: E501  a stack reads best on one line
from __future__ import annotations

from typing import TYPE_CHECKING

import perf_rendering as rendering
import pytest
from hypothesis import given

from faltcon.perf.classify import Classifier, StackClass, kernel_stack
from faltcon.perf.rules import load
from faltcon.perf.samples import Frame

if TYPE_CHECKING:
    from faltcon.perf.samples import Sample

# The frames of a poll and of a system call, innermost first.
SOFTIRQ = "ip_local_deliver ip_rcv __netif_receive_skb_one_core process_backlog __napi_poll net_rx_action handle_softirqs"
SYSCALL = "__sys_sendto __x64_sys_sendto do_syscall_64 entry_SYSCALL_64_after_hwframe"
SENDING = f"ip_output __ip_queue_xmit __tcp_transmit_skb tcp_write_xmit tcp_sendmsg sock_sendmsg {SYSCALL}"
# On loopback the sender's own system call carries the receiver's softirq.
NESTED = f"do_softirq.part.0 __local_bh_enable_ip __dev_queue_xmit {SENDING}"

CASES = {
    "syn": (f"kmem_cache_alloc inet_reqsk_alloc tcp_conn_request tcp_v4_conn_request tcp_rcv_state_process tcp_v4_do_rcv tcp_v4_rcv {SOFTIRQ}", "rx tcp establishment"),
    "syn-ack is made": (f"__alloc_skb tcp_make_synack tcp_v4_send_synack tcp_conn_request tcp_v4_rcv {SOFTIRQ}", "rx tcp establishment"),
    "syn-ack leaves": (f"veth_xmit dev_hard_start_xmit __dev_queue_xmit ip_output ip_build_and_send_pkt tcp_v4_send_synack tcp_conn_request tcp_v4_rcv {SOFTIRQ}", "tx driver none"),
    "first ack": (f"sk_clone_lock inet_csk_clone_lock tcp_create_openreq_child tcp_v4_syn_recv_sock tcp_check_req tcp_v4_rcv {SOFTIRQ}", "rx socket none"),
    "first ack's tcp": (f"tcp_create_openreq_child tcp_v4_syn_recv_sock tcp_check_req tcp_v4_rcv {SOFTIRQ}", "rx tcp establishment"),
    "child takes the ack": (f"tcp_ack tcp_rcv_state_process tcp_child_process tcp_v4_rcv {SOFTIRQ}", "rx tcp establishment"),
    "closing ack": (f"tcp_ack tcp_rcv_state_process tcp_v4_do_rcv tcp_v4_rcv {SOFTIRQ}", "rx tcp shutdown"),
    "fin in established": (f"tcp_fin tcp_data_queue tcp_rcv_established tcp_v4_do_rcv tcp_v4_rcv {SOFTIRQ}", "rx tcp shutdown"),
    "data": (f"memcpy tcp_queue_rcv tcp_data_queue tcp_rcv_established tcp_v4_do_rcv tcp_v4_rcv {SOFTIRQ}", "rx tcp data"),
    "lookup": (f"__inet_lookup_established tcp_v4_rcv {SOFTIRQ}", "rx tcp shared"),
    "wake the reader": (f"try_to_wake_up ep_poll_callback __wake_up sock_def_readable tcp_rcv_established tcp_v4_rcv {SOFTIRQ}", "rx socket none"),
    "rx inside a send call": (f"tcp_rcv_established tcp_v4_do_rcv tcp_v4_rcv {SOFTIRQ} {NESTED}", "rx tcp data"),
    "backlog": (f"tcp_ack tcp_rcv_established tcp_v4_do_rcv __release_sock release_sock tcp_sendmsg sock_sendmsg {SYSCALL}", "backlog tcp data"),
    "backlog, inlined": (f"tcp_ack tcp_rcv_established tcp_v4_do_rcv release_sock tcp_sendmsg {SYSCALL}", "backlog tcp data"),
    "release alone": (f"_raw_spin_unlock_bh release_sock tcp_sendmsg {SYSCALL}", "tx socket none"),
    "send": (f"_copy_from_iter tcp_sendmsg_locked tcp_sendmsg sock_sendmsg {SYSCALL}", "tx tcp none"),
    "ack of data": (f"ip_output __ip_queue_xmit __tcp_transmit_skb tcp_rcv_established tcp_v4_rcv {SOFTIRQ}", "tx ip none"),
    "rcu in a send call": (f"kmem_cache_free rcu_do_batch rcu_core handle_softirqs {NESTED}", "none other none"),
    "rcu frees a socket": (f"kfree __sk_destruct rcu_do_batch rcu_core handle_softirqs {NESTED}", "deferred socket none"),
    "interrupt in a send call": (f"native_apic_msr_eoi sysvec_apic_timer_interrupt asm_sysvec_apic_timer_interrupt {SENDING}", "none other none"),
    "wait in a receive call": (f"finish_task_switch __schedule schedule schedule_timeout sk_wait_data tcp_recvmsg {SYSCALL}", "none other none"),
    "receive call": (f"_copy_to_iter tcp_recvmsg_locked tcp_recvmsg sock_recvmsg {SYSCALL}", "rx tcp data"),
    "close": ("tcp_close inet_release sock_close __fput __x64_sys_close do_syscall_64", "call tcp none"),
    "accept": ("inet_csk_accept inet_accept do_accept __sys_accept4 do_syscall_64", "call tcp none"),
    "fin is sent": ("tcp_send_fin tcp_shutdown inet_shutdown __sys_shutdown do_syscall_64", "tx tcp none"),
    "timer": ("tcp_write_timer call_timer_fn run_timer_softirq handle_softirqs", "deferred tcp none"),
    "idle": ("pv_native_safe_halt default_idle do_idle cpu_startup_entry", "none idle none"),
    "file": ("ext4_file_read_iter vfs_read ksys_read do_syscall_64", "none other none"),
    "entry alone": ("do_syscall_64 entry_SYSCALL_64_after_hwframe", "none other none"),
    "unnamed": ("sctp_rcv sctp_backlog do_syscall_64 entry_SYSCALL_64_after_hwframe", "none unclassified none"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_classify__stack(case: str) -> None:
    stack, expected = CASES[case]
    names = kernel_stack(tuple(Frame(0, name, None, "[kernel.kallsyms]") for name in stack.split()))
    found = Classifier().classify_names(names)
    assert found == StackClass(*expected.split())


@pytest.mark.parametrize(
    ("variant", "case", "expected"),
    [
        ("ack-as-data", "closing ack", "rx tcp data"),
        ("ack-as-data", "child takes the ack", "rx tcp establishment"),
        ("ack-as-data", "fin in established", "rx tcp shutdown"),
        ("packets-only", "receive call", "call tcp none"),
        ("calls-counted", "close", "call tcp shutdown"),
        ("calls-counted", "accept", "call tcp establishment"),
        ("wakeup-apart", "syn-ack leaves", "tx driver none"),
    ],
)
def test_classify__variants(variant: str, case: str, expected: str) -> None:
    names = kernel_stack(
        tuple(Frame(0, name, None, "[kernel.kallsyms]") for name in CASES[case][0].split())
    )
    found = Classifier(load().variant(variant)).classify_names(names)
    assert found == StackClass(*expected.split())


def test_classify__user_space_and_no_stack() -> None:
    classifier = Classifier()
    user = (Frame(0x401000, "main", None, "/bin/a"), Frame(1, "f", None, "[kernel.kallsyms]"))
    assert classifier.classify(user) == StackClass("none", "application", "none")
    assert classifier.classify(()) == StackClass("none", "unclassified", "none")


def test_kernel_stack__ends_where_user_space_begins() -> None:
    stack = (
        Frame(0xFFFFFFFF81000000, "[unknown]", None, "[unknown]"),
        Frame(0xFFFFFFFF81000001, "tcp_ack.isra.0", None, "[kernel.kallsyms]"),
        Frame(0x7F0000000000, "write", None, "/lib/libc.so"),
    )
    assert kernel_stack(stack) == ("[unknown]", "tcp_ack")


def test_explain__names_the_frame_and_the_rule() -> None:
    findings = Classifier().explain(("memcpy", "tcp_ack", "tcp_rcv_established", "tcp_v4_rcv"))
    assert findings["layer"].frame == 1
    assert findings["phase"].frame == 2
    assert findings["direction"].frame == 3
    assert "barrier" not in findings


@given(sample=rendering.samples())
def test_classify__any_stack_has_one_class_in_every_variant(sample: Sample) -> None:
    for name in load().variants:
        ruleset = load().variant(name)
        found = Classifier(ruleset).classify(sample.frames)
        assert found.phase == "none" or (
            found.layer == "tcp" and found.direction in ruleset.phase_of
        )
