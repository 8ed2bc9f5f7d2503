# A voter that was promoted by hand gave up its data for a clone from its leader, whose disk was lost a
# moment before; the third node alone did not suffice. Small from seed 20261127717, which broke I21.
world 3 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
choices seeds 1 to 9
procedures

at 0 ms promoted behind our back: n2
at 0 ms an empty disk: n1 for 1 s
await health within 180 s
expect no acknowledged write lost
