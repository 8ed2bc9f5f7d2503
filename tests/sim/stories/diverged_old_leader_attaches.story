# Protocol review, A1: the old leader comes back with a tail that nobody has, while the only other
# voter stands still. A receiver reports what it has replayed as flushed, on whatever timeline: under
# a name that counts it would acknowledge commits that it does not have.
world 3 nodes, quorum
writers 6, every 50 ms
choices seeds 1 to 5

at 1 s one node is cut off: n1 for 12 s
await a leader other than n1 within 20 s
await 20 writes within 20 s
a frozen PostgreSQL: n3 for 15 s
after 20 s expect no acknowledged write lost
await health within 180 s
