# ha.md 6.3, trap 1: replay stands still on both standbys when the leader dies. What counts is what
# they have flushed, and the promotion ends what blocks it.
world 3 nodes, quorum
writers 6, every 50 ms
choices seeds 1 to 5

at 1 s a blocked replay: n2 for 30 s
a blocked replay: n3 for 30 s
after 3 s power loss: n1 for 20 s
await a leader other than n1 within 40 s
await 20 writes within 30 s
await health within 180 s
expect no acknowledged write lost
