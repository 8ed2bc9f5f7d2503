# ha.md 6.3: the store is away and a standby is dead. The leader goes on with the voter that is left,
# also without the store.
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s power loss: n3
await 1 voters within 30 s
the store is away for 15 s
after 10 s expect leader n1
await 20 writes within 10 s
after 6 s heal
await health within 180 s
expect no acknowledged write lost
