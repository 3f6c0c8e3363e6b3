title: Who waits through a join counts in the joined log
rule: docs/protocol.md, "Exactly once"; found by checking, 10
nodes: 1 2
limits: origins=1 names=65536 ballots=256
histories: parted

at 0 node 1: starts as life 1
at 0 node 2: starts as life 2
at 0 node 1: told {1 2} epoch 1
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=1
    sends Seek 1>2 #1 to host2:80: members {1 2}
at 0 node 2: told {1 2} epoch 1
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=1
    sends Told 2>1 #1 to host1:80: members {1 2}, epoch 1
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/1, members {1 2}, numbered yes
at 1 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: receives Told 2>1 #1
    sends Propose 1>2 #2 to host2:80: ballot 1.0@1/1, members {1 2}, numbered yes
at 3 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
at 4 node 2: receives Propose 1>2 #2
    sends Promise 2>1 #2 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 5 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 1: ballot 1.0@1/1
at 6 node 1: receives Promise 2>1 #2
    notes ignored reason=repeated message=Promise sender=2
at 7 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 0
at 8 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 9 node 1: receives Replicated 2>1 #1

# Two halves: 2 writes more than 1, whose view has the higher number.
at 9 node 2: told {2} epoch 2
    accepts the view
    notes view_told members=2=host2:80 epoch=2
    notes proposed ballot=2.0@2 members=2
    notes base_chosen ballot=2.0@2 source=2 end=0
    notes became_primary ballot=2.0@2 commit=0 backups=0
at 9 node 2: put k = half0 (0)
    answers (0): created at 0
at 9 node 2: put k = half1 (1)
    answers (1): updated at 1
at 9 node 2: put k = half2 (2)
    answers (2): updated at 2
at 9 node 1: told {1} epoch 3
    accepts the view
    notes view_told members=1=host1:80 epoch=3
    notes proposed ballot=3.0@1 members=1
    notes base_chosen ballot=3.0@1 source=1 end=0
    notes became_primary ballot=3.0@1 commit=0 backups=0

# They are joined: 2, which goes on serving meanwhile, gets a copy of what 1 holds.
at 9 node 2: told {1 2} epoch 4
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=4
    sends Told 2>1 #2 to host1:80: members {1 2}, epoch 4
at 9 node 1: told {1 2} epoch 4
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=4
    notes filling learners=2
    sends Offer 1>2 #1 to host2:80: ballot 3.0@1/1, history 1, end 0, kept 0, near 0, lineage [1.0@1/1 from 0, 3.0@1/1 from 0]
at 10 node 1: receives Told 2>1 #2
at 11 node 2: receives Offer 1>2 #1
    sends Fetch 2>1 #1 to host1:80 life 1: ballot 3.0@1/1, snapshot yes, position 0, end 0
at 12 node 1: receives Fetch 2>1 #1
    notes state_sent to=2 what=copy end=0
    sends SnapshotChunk 1>2 #1 to host2:80 life 2: ballot 3.0@1/1, applied 0, evicted 0, offset 0, total 0, pairs [], origins [], keys []
at 13 node 2: receives SnapshotChunk 1>2 #1
    notes state_received source=1 what=copy end=0
    sends Learned 2>1 #1 to host1:80 life 1: ballot 3.0@1/1, end 0, final no
at 14 node 1: receives Learned 2>1 #1
    notes filled reason="all learners are close"
    notes proposed ballot=4.0@1 members=1,2
    sends Propose 1>2 #3 to host2:80: ballot 4.0@1/1, members {1 2}, numbered yes

# A client waits at 2 while the joined view is installed. What 2 wrote alone is dropped.
at 15 node 2: receives Propose 1>2 #3
    notes stopped_serving reason="promised 4.0@1"
    notes promised ballot=4.0@1 synced=2.0@2 log_end=3
    sends Promise 2>1 #3 to host1:80 life 1: ballot 4.0@1/1, synced 2.0@2/2, history 1, base 0, log end 3, commit 3, lineage [1.0@1/1 from 0, 2.0@2/2 from 0]
at 15 node 2: put k = late (3)
at 16 node 1: receives Promise 2>1 #3
    notes base_chosen ballot=4.0@1 source=1 end=0
    notes dropped member=2 first=0 end=3
    sends Adopt 1>2 #2 to host2:80 life 2: ballot 4.0@1/1, history 1, end 0, lineage [1.0@1/1 from 0, 3.0@1/1 from 0], dropped [0 to 2 of 2]
at 17 node 2: receives Adopt 1>2 #2
    sends Fetch 2>1 #2 to host1:80 life 1: ballot 4.0@1/1, snapshot yes, position 0, end 0
at 18 node 1: receives Fetch 2>1 #2
    notes state_sent to=2 what=snapshot end=0
    sends SnapshotChunk 1>2 #2 to host2:80 life 2: ballot 4.0@1/1, applied 0, evicted 0, offset 0, total 0, pairs [], origins [], keys []
at 19 node 2: receives SnapshotChunk 1>2 #2
    notes state_received source=1 what=snapshot end=0
    notes dropped member=2 first=0 end=3
    sends Adopted 2>1 #2 to host1:80 life 1: ballot 4.0@1/1
at 20 node 1: receives Adopted 2>1 #2
    notes became_primary ballot=4.0@1 commit=0 backups=1
    sends Replicate 1>2 #2 to host2:80 life 2: ballot 4.0@1/1, first 0, operations [], commit 0, round 0
at 21 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 1: ballot 4.0@1/1, log end 0, round 0
    notes installed ballot=4.0@1 role=backup commit=0
    sends Forward 2>1 #1 to host1:80 life 1: ballot 4.0@1/1, since 0, patience 9994 ms, operation <put k = late of 2/2#3 settled 3>
at 22 node 1: receives Replicated 2>1 #2
at 23 node 1: receives Forward 2>1 #1
    sends Replicate 1>2 #3 to host2:80 life 2: ballot 4.0@1/1, first 0, operations [<put k = late of 2/2#3 settled 3>], commit 0, round 0
at 24 node 2: receives Replicate 1>2 #3
    sends Replicated 2>1 #3 to host1:80 life 1: ballot 4.0@1/1, log end 1, round 0
at 25 node 1: receives Replicated 2>1 #3
    sends Forwarded 1>2 #1 to host2:80 life 2: ballot 4.0@1/1, verdicts [#3 created 0]
at 26 node 2: receives Forwarded 1>2 #1
    answers (3): created at 0
