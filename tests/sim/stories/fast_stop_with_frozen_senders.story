# Protocol review, B5: a fast stop waits for every walsender, and a frozen one for a minute. A planned
# handover does not: here the heir cannot get the end of the WAL either, and the old leader leads on.
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s frozen walsenders: n1 for 5 s
an operator's switchover: n2
await 20 writes within 15 s
expect a higher term
await health within 180 s
