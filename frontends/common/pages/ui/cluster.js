// What is known of the cluster at one moment, for whoever draws a part of it.

import { placeOf } from "./net.js";

const membersOf = (status) => status.view.map((member) => `${member.id} ${member.address}`).join();
const sameView = (one, other) => one.epoch === other.epoch && membersOf(one) === membersOf(other);

// Whether a node belongs to no view.
export const homeless = (status) => status.status === "none" || status.status === "outside";

export class Cluster {
  // `own`: the node that served the page; `others`: the members that are asked as well, by address.
  constructor(own, others) {
    this.own = own;
    this.others = others;
    this.all = [own, ...others.values()];
    this.speaking = this.all.filter((watched) => watched.speaks);
    this.speaking.sort((one, other) => Number(one.status.id) - Number(other.status.id));
    this.status = this._best();
    this.primary = this.status?.primary ?? null;
    // Those who know the newest view. A primary that was replaced and not told suspects everybody for ever.
    this.current = this.speaking.filter((watched) => sameView(watched.status, this.status));
    this.members = this._members();
  }

  // Those of the view first, then those that were in it before.
  _members() {
    const itself = this.own.status;
    const listed = new Map();
    for (const member of this.status?.view ?? []) listed.set(member.address, { ...member, inView: true });
    const former = [...(itself?.view ?? [])];
    for (const [address, watched] of this.others)
      if (watched.status) former.push({ id: watched.status.id, address });
    for (const { id, address } of former) {
      if (!listed.has(address)) listed.set(address, { id, address, inView: false });
    }
    if (itself && ![...listed.values()].some((member) => member.id === itself.id)) {
      listed.set(location.host, { id: itself.id, address: location.host, inView: false });
    }
    const members = [...listed.values()].map((member) => ({ ...member, own: member.id === itself?.id }));
    return members.sort((one, other) => other.inView - one.inView || Number(one.id) - Number(other.id));
  }

  // Whoever knows the newest view; of several the one that serves it. A node that was sent home knows how it
  // is with itself alone: the view that it was told may be its own affair.
  _best() {
    const statuses = this.speaking.map((watched) => watched.status);
    const belongs = (status) => Number(!homeless(status));
    const serves = (status) => Number(status.status === "active");
    statuses.sort(
      (one, other) =>
        belongs(other) - belongs(one) ||
        (other.epoch ?? 0) - (one.epoch ?? 0) ||
        serves(other) - serves(one),
    );
    return statuses[0] ?? this.own.status;
  }

  // Where the paths of a member begin.
  placeAt(address) {
    return this.watchedAt(address)?.base || placeOf(address);
  }

  watchedAt(address) {
    const member = this.members.find((each) => each.address === address);
    return member?.own ? this.own : this.others.get(address);
  }
}
