# Protocol review, A8: while the store is away nobody loses the lead, and nobody can become primary
# either. A leader that dies then is replaced when the store is back, not before.
tags real
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s the store is away
after 6 s expect the same term
await 20 writes within 10 s
kill -9 of a postmaster: n1
after 3 s expect no write for 4 s
mend the store is away
await 20 writes within 60 s
expect a higher term
await health within 120 s
expect no acknowledged write lost
