# async: what one leader acknowledged is lost with a later one, which held it and lost it: that is told.
# Small from seed 1795362850.
world 3 nodes, async
acknowledgements 1
writers 8, every 300 ms
choices seeds 1 to 13
max_loss 1000
procedures

at 0 ms a full disk: n2 for 17.927239 s
at 4.668907 s the store is away for 3.458489 s
at 7.473661 s the store shows an older record: n1 for 20.473172 s
at 10.197766 s a full disk: n3 for 10.476337 s
heal
await health within 180 s
