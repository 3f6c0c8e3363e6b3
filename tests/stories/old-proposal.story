title: A proposal ends with the word it stood on
rule: docs/protocol.md, "Promise"; found by checking, 4
nodes: 0 1 2 3

at 0 node 0: starts as life 1
at 0 node 1: starts as life 2
at 0 node 2: starts as life 3
at 0 node 3: starts as life 4

# Node 3 has promised a ballot of {2 3}; it is higher than the first that node 1 proposes for {1 3}.
at 0 node 2: told {2 3}
    accepts the view
    notes view_told members=2=host2:80,3=host3:80 epoch=unnumbered
    sends Seek 2>3 #1 to host3:80: members {2 3}
at 0 node 3: told {2 3}
    accepts the view
    notes view_told members=2=host2:80,3=host3:80 epoch=unnumbered
    sends Told 3>2 #1 to host2:80: members {2 3}, epoch 0
at 0 node 3: receives Seek 2>3 #1
    notes ignored reason=nothing_to_offer message=Seek sender=2
    sends Refuse 3>2 #1 to host2:80 life 3: ballot none, reason nothing_to_offer, addressee 3, promised none
at 0 node 2: receives Refuse 3>2 #1
    notes proposed ballot=1.0@2 members=2,3
    sends Propose 2>3 #1 to host3:80: ballot 1.0@2/3, members {2 3}, numbered no
at 1 node 3: receives Propose 2>3 #1
    notes promised ballot=1.0@2 synced=None log_end=0
    sends Promise 3>2 #1 to host2:80 life 3: ballot 1.0@2/3, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Seek 1>3 #1 to host3:80: members {1 3}
at 2 node 3: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Told 3>1 #1 to host1:80: members {1 3}, epoch 0
at 2 node 3: receives Seek 1>3 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 3>1 #1 to host1:80 life 2: ballot none, reason nothing_to_offer, addressee 3, promised 1.0@2/3
at 2 node 1: receives Refuse 3>1 #1
    notes proposed ballot=1.0@1 members=1,3
    sends Propose 1>3 #1 to host3:80: ballot 1.0@1/2, members {1 3}, numbered no
at 3 node 3: receives Propose 1>3 #1
    notes ignored reason=promised_higher message=Propose sender=1
    sends Refuse 3>1 #2 to host1:80 life 2: ballot 1.0@1/2, reason promised_higher, addressee 3, promised 1.0@2/3

# While the refusal is under way node 1 is told {0 1 3}, of which it is not the primary.
at 4 node 1: told {0 1 3}
    accepts the view
    notes view_told members=0=host0:80,1=host1:80,3=host3:80 epoch=unnumbered
    sends Told 1>0 #1 to host0:80: members {0 1 3}, epoch 0

# The refusal must not make it propose {1 3} higher: nobody orders that view any more.
at 5 node 1: receives Refuse 3>1 #2
    notes ignored reason=other_ballot message=Refuse sender=3
at 5 node 1: status
    is installing as backup in {0 1 3}; promised 1.0@1/2, log 0, commit 0, 0 keys, 0 waiting
    waits for 0 at host0:80: the primary has not proposed this view yet
at 260 node 1: tick
    sends Told 1>0 #2 to host0:80: members {0 1 3}, epoch 0
