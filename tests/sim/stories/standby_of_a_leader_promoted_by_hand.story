# PROTOCOL 5.6, decision 0058: n1, the leader, and n2 lose their power, and n1 is promoted by hand as
# soon as it is back; n2 streams what it writes in that moment, and has no mark of it. The next leader
# is given its timeline where that one begins. If it were given the same id, n2 would attach to it with
# a record that it lacks.
world 3 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant gives_out_the_next_id
choices quiet
node 1 clonefrom priority 3
node 2 nofailover priority 1
node 3 clonefrom priority 1 zone west
lasts 3 s

at 0 ms an operator's pause for 2 s
at 0 ms two machines lose power: n1, n2 for 100 ms
at 1.6 s promoted behind our back: n1
at 2 s two machines lose power: n1, n2 for 1 s
expect I12 broken
