# Protocol review, A3: the checkpointer publishes the names, and on the new leader it is busy. The
# barrier commit must not pass because no names are in force yet.
world 3 nodes, quorum
writers 6, every 50 ms
choices seeds 1 to 5

at 1 s a busy checkpointer: n2 for 12 s
a busy checkpointer: n3 for 12 s
after 500 ms power loss: n1 for 15 s
await a leader other than n1 within 60 s
await 20 writes within 30 s
await health within 180 s
expect no acknowledged write lost
