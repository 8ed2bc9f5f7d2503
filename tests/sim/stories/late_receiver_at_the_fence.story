# Protocol review, A4: a receiver that was forked late connects after the fence was answered. It reads
# the service file when it connects, so that it finds no upstream.
world 3 nodes, quorum
writers 6, every 50 ms
choices seeds 1 to 5

at 1 s receivers come late: n2 for 20 s
receivers come late: n3 for 20 s
after 1 s replication alone is cut: n1, n2 for 800 ms
agents alone are cut: n1, n2 for 6 s
agents alone are cut: n1, n3 for 6 s
after 10 s expect no acknowledged write lost
await health within 180 s
