# A machine wakes up after its async lease, and a backend answers a commit before its supervisor ends
# it. Meanwhile the next leader has changed the mode: what counts is under which policy it led.
world 3 nodes, async
writers 9, every 20 ms
max_loss 1000
choices seeds 1 to 10

at 1 s a frozen machine: n1
await a leader other than n1 within 60 s
another durability is wanted
await 1 voters within 30 s
await 20 writes within 30 s
mend a frozen machine: n1
