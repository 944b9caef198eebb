#!/usr/bin/env python3
"""Runs a command of mpirun with each rank on a machine of its own: network namespaces of this machine, joined by a network
that delays every packet. As root, on Linux, with Open MPI (Debian: openmpi-bin, iproute2, iputils-ping).

    network.py RANKS DELAY_MS PROGRAM [ARGUMENT]...
    network.py 2 0.1 build/release/examples/generate_mpi --prompt "Once upon a time" --max-new-tokens 100

The delay is made here, by a switch between the namespaces' interfaces, and not by the kernel, since not every kernel has
netem. It is that of a packet in one direction; the time of a ping there and back is printed, and is what to go by.
"""

import ctypes
import fcntl
import heapq
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def run(*command):
    subprocess.run(command, check=True)


def address(rank):
    return f"10.77.0.{rank + 1}"


home_namespace = os.open("/proc/self/ns/net", os.O_RDONLY)


def enter(namespace):
    with open(namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def open_tap(namespace, name):
    """A new interface of the namespace, as what it sends and receives."""
    home = f"/proc/self/fd/{home_namespace}"
    enter(f"/run/netns/{namespace}")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22s", name.encode(), IFF_TAP | IFF_NO_PI, b""))
    enter(home)
    return tap


def forward(taps, delay):
    """A switch: what comes from one interface goes to those that it may be for, `delay` seconds later."""
    poll = select.poll()
    for tap in taps:
        poll.register(tap, select.POLLIN)
    where, waiting, number = {}, [], 0
    while True:
        # The time of a poll is in milliseconds: for what is due sooner we ask again and again.
        due = waiting[0][0] - time.perf_counter() if waiting else 1.0
        for tap, _ in poll.poll(0 if due < 0.002 else 1000 * (due - 0.001)):
            try:
                while True:
                    packet = os.read(tap, 65536)
                    where[packet[6:12]] = tap
                    number += 1
                    heapq.heappush(waiting, (time.perf_counter() + delay, number, tap, packet))
            except BlockingIOError:
                pass
        while waiting and waiting[0][0] <= time.perf_counter():
            _, _, source, packet = heapq.heappop(waiting)
            known = where.get(packet[:6])
            for tap in taps if known is None else [known]:
                if tap != source:
                    try:
                        os.write(tap, packet)
                    except (BlockingIOError, OSError):
                        pass  # lost, as on any network


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leaves no namespace behind
    ranks, delay, command = int(sys.argv[1]), float(sys.argv[2]) / 1000, sys.argv[3:]
    names = [f"rwkv-mpi-{os.getpid()}-{rank}" for rank in range(ranks)]
    taps = []
    try:
        for rank, name in enumerate(names):
            run("ip", "netns", "add", name)
            interface = f"rwkv{rank}"
            taps.append(open_tap(name, interface))
            run("ip", "-n", name, "address", "add", address(rank) + "/24", "dev", interface)
            run("ip", "-n", name, "link", "set", interface, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        threading.Thread(target=forward, args=(taps, delay), daemon=True).start()
        inside = ["ip", "netns", "exec", names[0]]
        ping = subprocess.run(inside + ["ping", "-q", "-i", "0.05", "-c", "20", address(1)] if ranks > 1 else ["true"],
                              capture_output=True, text=True, check=True).stdout
        times = re.search(r"= [\d.]+/([\d.]+)/", ping)
        print(f"{ranks} ranks, {1000 * delay} ms each way; a ping there and back: "
              f"{times.group(1) if times else '-'} ms", file=sys.stderr)
        with tempfile.TemporaryDirectory() as work:
            # What mpirun takes for ssh.
            agent = os.path.join(work, "agent")
            with open(agent, "w") as file:
                # Daemons of Open MPI in one directory for temporary files trip over each other.
                file.write("#!/bin/bash\n" + f'rank=$(( ${{1##*.}} - 1 ))\nshift\n'
                           f'export OMPI_MCA_orte_tmpdir_base={work}/$rank\nmkdir "{work}/$rank"\n'
                           f'exec ip netns exec "rwkv-mpi-{os.getpid()}-$rank" bash -c "$*"\n')
            os.chmod(agent, 0o755)
            environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
            options = ["--mca", "plm_rsh_agent", agent, "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include",
                       "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24", "--mca", "orte_keep_fqdn_hostnames",
                       "1", "--mca", "mpi_yield_when_idle", "1", "-n", str(ranks), "--map-by", "node", "--host",
                       ",".join(address(rank) for rank in range(ranks))]
            return subprocess.run(inside + ["mpirun"] + options + command, env=environment).returncode
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name])


if __name__ == "__main__":
    sys.exit(main())
