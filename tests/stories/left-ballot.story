title: A primary that installs a ballot which a member has left hears of it
rule: docs/protocol.md, "Promise"; found by checking, 2
nodes: 1 2 3

at 0 node 1: starts as life 1
at 0 node 2: starts as life 2
at 0 node 3: starts as life 3

# {1 3} is told; node 3 promises, and node 1 offers its base.
at 0 node 1: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Seek 1>3 #1 to host3:80: members {1 3}
at 0 node 3: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Told 3>1 #1 to host1:80: members {1 3}, epoch 0
at 0 node 3: receives Seek 1>3 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 3>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 3, promised none
at 0 node 1: receives Refuse 3>1 #1
    notes proposed ballot=1.0@1 members=1,3
    sends Propose 1>3 #1 to host3:80: ballot 1.0@1/1, members {1 3}, numbered no
at 1 node 3: receives Propose 1>3 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 3>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: receives Promise 3>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>3 #1 to host3:80 life 3: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []

# Before that offer arrives, {2 3} is told to its members, and node 3 promises a higher ballot.
at 3 node 2: told {2 3}
    accepts the view
    notes view_told members=2=host2:80,3=host3:80 epoch=unnumbered
    sends Seek 2>3 #1 to host3:80: members {2 3}
at 3 node 3: told {2 3}
    accepts the view
    notes view_told members=2=host2:80,3=host3:80 epoch=unnumbered
    sends Told 3>2 #1 to host2:80: members {2 3}, epoch 0
at 3 node 3: receives Seek 2>3 #1
    notes ignored reason=nothing_to_offer message=Seek sender=2
    sends Refuse 3>2 #1 to host2:80 life 2: ballot none, reason nothing_to_offer, addressee 3, promised 1.0@1/1
at 3 node 2: receives Refuse 3>2 #1
    notes proposed ballot=1.0@2 members=2,3
    sends Propose 2>3 #1 to host3:80: ballot 1.0@2/2, members {2 3}, numbered no
at 4 node 3: receives Propose 2>3 #1
    notes promised ballot=1.0@2 synced=None log_end=0
    sends Promise 3>2 #1 to host2:80 life 2: ballot 1.0@2/2, synced none, history none, base 0, log end 0, commit 0, lineage []

# {1 3} is told again. Node 1 is still installing it, as far as it knows, and goes on with what it has.
at 5 node 1: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Adopt 1>3 #2 to host3:80 life 3: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
at 5 node 3: told {1 3}
    accepts the view
    notes view_told members=1=host1:80,3=host3:80 epoch=unnumbered
    sends Told 3>1 #2 to host1:80: members {1 3}, epoch 0
at 5 node 3: status
    is installing as backup in {1 3}; promised 1.0@2/2, log 0, commit 0, 0 keys, 0 waiting
    waits for 1 at host1:80: the primary has not proposed this view yet

# Now the offer arrives. Node 3 may not take it; if it kept silent, node 1 would offer it for ever.
at 6 node 3: receives Adopt 1>3 #1
    notes ignored reason=promised_higher message=Adopt sender=1
    sends Refuse 3>1 #2 to host1:80 life 1: ballot 1.0@1/1, reason promised_higher, addressee 3, promised 1.0@2/2
at 7 node 1: receives Refuse 3>1 #2
    notes proposed ballot=2.0@1 members=1,3
    sends Propose 1>3 #2 to host3:80: ballot 2.0@1/1, members {1 3}, numbered no
at 8 node 3: receives Propose 1>3 #2
    notes promised ballot=2.0@1 synced=None log_end=0
    sends Promise 3>1 #2 to host1:80 life 1: ballot 2.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 9 node 1: receives Promise 3>1 #2
    notes base_chosen ballot=2.0@1 source=1 end=0
    sends Adopt 1>3 #3 to host3:80 life 3: ballot 2.0@1/1, history 1, end 0, lineage [1.0@1/1 from 0], dropped []
at 10 node 3: receives Adopt 1>3 #3
    sends Adopted 3>1 #1 to host1:80 life 1: ballot 2.0@1/1
at 11 node 1: receives Adopted 3>1 #1
    notes became_primary ballot=2.0@1 commit=0 backups=1
    sends Replicate 1>3 #1 to host3:80 life 3: ballot 2.0@1/1, first 0, operations [], commit 0, round 0
at 12 node 3: receives Replicate 1>3 #1
    sends Replicated 3>1 #1 to host1:80 life 1: ballot 2.0@1/1, log end 0, round 0
    notes installed ballot=2.0@1 role=backup commit=0
at 13 node 1: receives Replicated 3>1 #1
at 13 node 1: status
    is active as primary in {1 3}; promised 2.0@1/1, log 0, commit 0, 0 keys, 0 waiting
at 13 node 3: status
    is active as backup in {1 3}; promised 2.0@1/1, log 0, commit 0, 0 keys, 0 waiting
