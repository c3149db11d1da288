// @ts-check
/**
 * Scrolling of a list that grows at both ends: it follows its end, or else what is seen stays where it is.
 *
 * Only a person ends the following, by scrolling up from where the list was put. A list that grows, whose lines get
 * higher or whose box gets smaller is at its end no longer, but nobody scrolled.
 */
const END_PX = 80;

export class Scroll {
  isFollowing = true;
  #end = 0; // where the list was put when it was last brought to its end

  /** @param {HTMLElement} list @param {() => void} moved called after each scrolling */
  constructor(list, moved) {
    this.list = list;
    list.addEventListener("scroll", () => {
      const fromEnd = list.scrollHeight - list.scrollTop - list.clientHeight;
      if (fromEnd < END_PX) this.isFollowing = true;
      else if (list.scrollTop < this.#end - END_PX) this.isFollowing = false;
      moved();
    });
    const settle = () => this.isFollowing && this.toEnd();
    for (const growth of ["load", "toggle"]) list.addEventListener(growth, settle, true);
    new ResizeObserver(settle).observe(list);
  }

  toEnd() {
    this.isFollowing = true;
    this.list.scrollTop = this.list.scrollHeight;
    this.#end = this.list.scrollTop;
  }

  /** Change the list, and leave what is seen where it is, or the list at its end. @param {() => void} change */
  keep(change) {
    const seen = this.isFollowing ? null : this.#firstSeen();
    const top = seen?.getBoundingClientRect().top ?? 0;
    change();
    if (this.isFollowing) this.toEnd();
    else if (seen?.isConnected) this.list.scrollTop += seen.getBoundingClientRect().top - top;
  }

  /** The topmost line that does not change itself when others come before it, as the first one of a day does. */
  #firstSeen() {
    const { top } = this.list.getBoundingClientRect();
    return [...this.list.children].find((line, index) => index > 0 && line.getBoundingClientRect().top >= top);
  }
}
