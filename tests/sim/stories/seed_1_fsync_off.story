# Shrunk from seed 1 with fsync_off (a negative control), which broke I5: what was acknowledged was on
# no disk when all machines lost power.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant fsync_off
choices quiet
lasts 1 s

at 0 ms cold and dark
expect I5 broken
