# PROTOCOL 2, resting names on every start: n1 was alone, with empty names, and starts again while its
# checkpointer is busy. If it started with the names of before, nobody would have to wait until that
# one publishes those of the next policy: its new voters have the probe, but not what is written when
# they are cut off behind the opening.
world 3 nodes, quorum
acknowledgements 1
writers 6, every 50 ms
plant restart_keeps_names
choices seeds 1 to 10
lasts 40 s

at 1 s a machine ends: n2
a machine ends: n3
await 0 voters within 30 s
a machine ends: n1
mend a machine ends: n2
mend a machine ends: n3
after 4 s replication alone is cut: n1, n2 for 1.5 s
replication alone is cut: n1, n3 for 1.5 s
mend a machine ends: n1
a busy checkpointer: n1 for 12 s
await leader n1 within 30 s
replication alone is cut: n1, n2 for 10 s
replication alone is cut: n1, n3 for 10 s
after 500 ms power loss: n1 for 15 s
expect I5 broken
