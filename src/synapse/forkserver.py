"""Imports Synapse once and forks its processes, which need not do it again: SOCKET MODULE...

Whoever connects to SOCKET asks for one process: a line of JSON, and with it the descriptor that the process
writes to. The process answers with its `pid` once it is a child of who asked, and runs when it gets a byte in
return; where there is none it ends. What keeps it from being there is answered as `error`.

With STARTED_AHEAD in its environment it says when it has imported, and takes SOCKET only on SIGUSR1.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

PATIENCE = 5
SET_DEATH_SIGNAL = 1
# Fields 48 and 49 of proc_pid_stat(5); the first one behind the name is field 3.
START, END = 48 - 3, 49 - 3
# What Synapse imports only when it has read its settings.
LATER = "psycopg2", "txredisapi", "synapse.storage.engines.postgres"

libc = ctypes.CDLL(None)


def prepared(names):
    """These modules, with all that their processes need, and nothing that a fork would break."""
    sys.path[0] = os.getcwd()
    # Nothing of an import can be thrown away, and to look for it takes a seventh of the time.
    gc.disable()
    modules = {name: importlib.import_module(name) for name in names}
    for name in LATER:
        importlib.import_module(name)
    # Where another version of Synapse or Twisted calls them otherwise, this is the place to fail.
    from twisted.internet import reactor

    reactor.waker.i, reactor.waker.o, reactor._poller.fileno, reactor._reads, reactor._POLL_IN
    sys.modules["synapse.app._base"].sdnotify_sockaddr
    # After a fork there is only the thread that forked, and what the others held is held for ever.
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("something that Synapse imports has started a thread")
    # The collector writes into what it looks at, and a page that is written is shared no more. Nothing is
    # collected before: what that gives back are holes in pages that are shared until a process fills them.
    gc.freeze()
    gc.enable()
    return modules


def show(words):
    """Makes these words the command line that others see, as far as there is room."""
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, room = int(fields[START]), int(fields[END]) - int(fields[START])
    if start:
        line = b" ".join(map(os.fsencode, words))[: room - 2]
        # Where the last byte is not 0, the kernel takes it for one text (setproctitle(3)).
        ctypes.memmove(start, line.ljust(room - 1, b"\0") + b" ", room)


def tell(message):
    """Says it to who waits for this service (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
            waiting.sendto(message, address.replace("@", "\0", 1) if address[0] == "@" else address)


def asked_for(connection):
    """What is asked for, and the descriptor that came with it."""
    text, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
    while not text.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            raise EOFError("half a request")
        text += more
    return json.loads(text), descriptors[0]


def forked(asked):
    """Whether this is the new process: the child of a child that has ended, so that it becomes one of who asked."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return False
    try:
        child = os.fork()
        if child:
            os.setpgid(child, child)
    except BaseException:
        os._exit(1)
    if child:
        os._exit(0)
    until = time.monotonic() + PATIENCE
    while os.getppid() != asked["parent"]:
        if time.monotonic() > until:
            os._exit(1)
        time.sleep(0.0005)
    return True


def own_reactor():
    """Puts descriptors of this process in the place of those that all processes of one parent share."""
    from twisted.internet import reactor

    read, write = os.pipe()
    poller = select.epoll()
    waker = reactor.waker
    for new, old in (read, waker.i), (write, waker.o), (poller.fileno(), reactor._poller.fileno()):
        os.dup2(new, old, inheritable=False)
    for end in waker.i, waker.o:
        os.set_blocking(end, False)
    os.close(read)
    os.close(write)
    poller.close()
    for descriptor in reactor._reads:
        reactor._poller.register(descriptor, reactor._POLL_IN)
    # Synapse measures how long the reactor was busy from when it was last idle.
    watched = getattr(reactor._poller, "_wrapped_method", None)
    if hasattr(watched, "last_polled"):
        watched.last_polled = time.time()


def become(asked, output, connection):
    """Makes of this process the one that was asked for; the name of the module that it runs."""
    libc.prctl(SET_DEATH_SIGNAL, asked["death_signal"])
    connection.sendall(b'{"pid": %d}\n' % os.getpid())
    # Who asked has gone, or does not wait any more, and starts it in another way.
    if not connection.recv(1):
        os._exit(1)
    for stream in 1, 2:
        os.dup2(output, stream)
    os.close(output)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    own_reactor()
    # It was read when that was imported.
    sys.modules["synapse.app._base"].sdnotify_sockaddr = os.environ.get("NOTIFY_SOCKET")
    module, rest = asked["arguments"][1], asked["arguments"][2:]
    sys.argv = [sys.modules[module].__file__, *rest]
    show([sys.executable, "-m", module, *rest])
    return module


def wait():
    """Until it is time to take the place of another one."""
    print("imported", flush=True)
    signal.sigwait([signal.SIGUSR1])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def serve(path, modules):
    """Forks whatever is asked for; returns in each process what it is to run."""
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    tell(b"READY=1")
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            output = -1
            try:
                asked, output = asked_for(connection)
                if asked["arguments"][0] != "-m" or asked["arguments"][1] not in modules:
                    raise LookupError("that module is not one of those that were imported")
                if forked(asked):
                    listener.close()
                    return become(asked, output, connection)
            except Exception as error:
                traceback.print_exc()
                try:
                    connection.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
                except OSError:
                    pass
            if output >= 0:
                os.close(output)


if __name__ == "__main__":
    path, names = sys.argv[1], sys.argv[2:]
    ahead = "STARTED_AHEAD" in os.environ
    if ahead:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    imported = prepared(names)
    show([sys.executable, "-c", "forkserver", path, *names])
    if ahead:
        wait()
    imported[serve(path, imported)].main()
