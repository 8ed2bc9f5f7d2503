# async: the agent of a hung PostgreSQL goes on saying how far that had come; each word counted as fresh,
# and what was acknowledged meanwhile as never written. Small from seed 1795366729, which broke I6.
world 3 nodes, async
acknowledgements 1
writers 3, every 300 ms
choices seeds 1 to 200
max_loss 5
node 1 priority 1 zone west
node 2 priority 1 zone east
node 3 nofailover priority 1

at 0 ms power loss: n1 for 0.166965562 s
at 0.8404105 s power loss: n1 for 0.29917975 s
at 0.8404105 s a bridge: n1, n2 for 3.646498 s
at 1.9943215 s a hung PostgreSQL: n2 for 3.343559 s
at 6.4046585 s a hung PostgreSQL: n2 for 0.410248312 s
at 7.3826715 s a hung PostgreSQL: n2 for 10.574336 s
at 15.0683545 s power loss: n2 for 2.713999 s
heal
await health within 180 s
