# Protocol review, B2: a leader that hears nobody but reaches the store does not reduce its policy to
# itself and lock the healthy majority out.
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s one node is cut off but not from the store: n1 for 60 s
await a leader other than n1 within 40 s
await 20 writes within 20 s
heal
await health within 180 s
expect no acknowledged write lost
