title: A late copy of a proposal does not end the nudging
rule: docs/protocol.md, "Views"; found by checking, 3
nodes: 0 1

at 0 node 0: starts as life 1
at 0 node 1: starts as life 2
at 0 node 0: told {0 1}
    accepts the view
    notes view_told members=0=host0:80,1=host1:80 epoch=unnumbered
    sends Seek 0>1 #1 to host1:80: members {0 1}
at 0 node 1: told {0 1}
    accepts the view
    notes view_told members=0=host0:80,1=host1:80 epoch=unnumbered
    sends Told 1>0 #1 to host0:80: members {0 1}, epoch 0
at 0 node 1: receives Seek 0>1 #1
    notes ignored reason=nothing_to_offer message=Seek sender=0
    sends Refuse 1>0 #1 to host0:80 life 1: ballot none, reason nothing_to_offer, addressee 1, promised none
at 0 node 0: receives Refuse 1>0 #1
    notes proposed ballot=1.0@0 members=0,1
    sends Propose 0>1 #1 to host1:80: ballot 1.0@0/1, members {0 1}, numbered no
at 1 node 1: receives Propose 0>1 #1
    notes promised ballot=1.0@0 synced=None log_end=0
    sends Promise 1>0 #1 to host0:80 life 1: ballot 1.0@0/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 0: receives Promise 1>0 #1
    notes started_empty ballot=1.0@0
    notes base_chosen ballot=1.0@0 source=0 end=0
    sends Adopt 0>1 #1 to host1:80 life 2: ballot 1.0@0/1, history 1, end 0, lineage [], dropped []
at 3 node 1: receives Adopt 0>1 #1
    sends Adopted 1>0 #1 to host0:80 life 1: ballot 1.0@0/1
at 4 node 0: receives Adopted 1>0 #1
    notes became_primary ballot=1.0@0 commit=0 backups=1
    sends Replicate 0>1 #1 to host1:80 life 2: ballot 1.0@0/1, first 0, operations [], commit 0, round 0
at 5 node 1: receives Replicate 0>1 #1
    sends Replicated 1>0 #1 to host0:80 life 1: ballot 1.0@0/1, log end 0, round 0
    notes installed ballot=1.0@0 role=backup commit=0
at 6 node 0: receives Replicated 1>0 #1

# Node 1 is restarted and told the view again. Its nudge (Told 1>0 #2) is lost.
at 10 node 1: crashes
at 10 node 1: starts as life 3
at 10 node 1: told {0 1}
    accepts the view
    notes view_told members=0=host0:80,1=host1:80 epoch=unnumbered
    sends Told 1>0 #2 to host0:80: members {0 1}, epoch 0

# A late copy of the proposal that was made to its former life: it promises, but nobody waits for that.
at 11 node 1: receives Propose 0>1 #1
    notes promised ballot=1.0@0 synced=None log_end=0
    sends Promise 1>0 #2 to host0:80 life 1: ballot 1.0@0/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 12 node 0: receives Promise 1>0 #2
    notes ignored reason=other_ballot message=Promise sender=1

# So it goes on nudging until the view is active, and node 0 learns of the new life.
at 2011 node 1: tick
    sends Told 1>0 #3 to host0:80: members {0 1}, epoch 0
at 2012 node 0: receives Told 1>0 #3
    notes proposed ballot=2.0@0 members=0,1
    sends Propose 0>1 #2 to host1:80: ballot 2.0@0/1, members {0 1}, numbered no
at 2013 node 1: receives Propose 0>1 #2
    notes promised ballot=2.0@0 synced=None log_end=0
    sends Promise 1>0 #3 to host0:80 life 1: ballot 2.0@0/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2014 node 0: receives Promise 1>0 #3
    notes base_chosen ballot=2.0@0 source=0 end=0
    sends Adopt 0>1 #2 to host1:80 life 3: ballot 2.0@0/1, history 1, end 0, lineage [1.0@0/1 from 0], dropped []
at 2015 node 1: receives Adopt 0>1 #2
    sends Adopted 1>0 #2 to host0:80 life 1: ballot 2.0@0/1
at 2016 node 0: receives Adopted 1>0 #2
    notes became_primary ballot=2.0@0 commit=0 backups=1
    sends Replicate 0>1 #2 to host1:80 life 3: ballot 2.0@0/1, first 0, operations [], commit 0, round 0
at 2017 node 1: receives Replicate 0>1 #2
    sends Replicated 1>0 #2 to host0:80 life 1: ballot 2.0@0/1, log end 0, round 0
    notes installed ballot=2.0@0 role=backup commit=0
at 2017 node 1: status
    is active as backup in {0 1}; promised 2.0@0/1, log 0, commit 0, 0 keys, 0 waiting
