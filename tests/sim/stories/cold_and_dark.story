# All machines lose power at once and come back one after the other, in any order.
world 5 nodes, quorum
acknowledgements 2
writers 6, every 100 ms
choices seeds 1 to 5

at 2 s cold and dark
await 20 writes within 120 s
await health within 180 s
expect a higher term
expect no acknowledged write lost
