"""Does what systemd does with a socket unit: holds the listening socket, and starts the program with it, again and again.

supervisor.py ADDRESS PORT PROGRAM...: SIGHUP restarts the program in order, SIGUSR1 kills it and starts it again, SIGTERM
ends both. If the program ends unasked, so does this, with its exit code.
"""

import os
import signal
import socket
import subprocess
import sys

address, port, *command = sys.argv[1:]
held = socket.socket(socket.AF_INET)
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.bind((address, int(port)))
held.listen(128)


def start():
    # The number that sd_listen_fds(3) begins with; `exec` keeps the process id that the variable names.
    def hand_over():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.dup2(held.fileno(), 3)
        os.set_inheritable(3, True)

    words = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *command]
    return subprocess.Popen(words, close_fds=False, preexec_fn=hand_over)


SIGNALS = {signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
program = start()
while True:
    told = signal.sigwait(SIGNALS)
    if told == signal.SIGCHLD:
        if program.poll() is not None:
            sys.exit(program.returncode)
        continue
    program.send_signal(signal.SIGKILL if told == signal.SIGUSR1 else signal.SIGTERM)
    code = program.wait()
    if told == signal.SIGTERM:
        sys.exit(code)
    program = start()
