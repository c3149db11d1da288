// @ts-check
/** Scrolling of a list that grows at both ends: it follows its end, or else what is seen stays where it is. */

const END_PX = 80;
const TOP_PX = 600;

export class Scroll {
  isFollowing = true;
  #isChanging = false;

  /** @param {HTMLElement} list @param {() => void} nearTop called again and again while there is little above */
  constructor(list, nearTop) {
    this.list = list;
    this.nearTop = nearTop;
    list.addEventListener("scroll", () => {
      this.isFollowing = list.scrollHeight - list.scrollTop - list.clientHeight < END_PX;
      if (list.scrollTop < TOP_PX) nearTop();
    });
    // An image has its height only once it is decoded.
    list.addEventListener("load", () => this.isFollowing && this.toEnd(), true);
    new ResizeObserver(() => this.isFollowing && this.toEnd()).observe(list);
  }

  toEnd() {
    this.isFollowing = true;
    this.list.scrollTop = this.list.scrollHeight;
  }

  /** To be called before a change; several changes in a row are one. */
  beforeChange() {
    if (this.#isChanging) return;
    this.#isChanging = true;
    const seen = this.isFollowing ? null : this.#firstSeen();
    const top = seen?.getBoundingClientRect().top ?? 0;
    queueMicrotask(() => {
      this.#isChanging = false;
      if (seen) this.list.scrollTop += seen.getBoundingClientRect().top - top;
      else this.toEnd();
      if (this.list.scrollTop < TOP_PX) this.nearTop();
    });
  }

  /** The topmost line that does not change itself when others come before it, as the first one of a day does. */
  #firstSeen() {
    const { top } = this.list.getBoundingClientRect();
    return [...this.list.children].find((line, index) => index > 0 && line.getBoundingClientRect().top >= top);
  }
}
