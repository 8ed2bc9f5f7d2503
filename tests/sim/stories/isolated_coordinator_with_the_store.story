# Protocol review, B1: a standby that hears nobody but reaches the store must not depose a leader
# that the others hear.
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s one node is cut off but not from the store: n3 for 20 s
after 15 s expect the same term
expect leader n1
await 20 writes within 10 s
await health within 120 s
expect the same term
