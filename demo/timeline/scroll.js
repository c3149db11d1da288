// @ts-check
/**
 * Scrolling of a list that grows at both ends: it follows its end, or else what is seen stays where it is.
 *
 * Only a person ends the following, by scrolling up from where the list was put, or by opening what is long. A list that grows, whose lines get
 * higher or whose box gets smaller is at its end no longer, but nobody scrolled.
 */
const END_PX = 80;

export class Scroll {
  isFollowing = true;
  #end = 0; // where the list was put when it was last brought to its end

  /**
   * @param {HTMLElement} list
   * @param {() => boolean} endsHere whether the end of the list is the end of all there is
   * @param {() => void} moved called after each scrolling
   */
  constructor(list, endsHere, moved) {
    this.list = list;
    this.endsHere = endsHere;
    list.addEventListener("scroll", () => {
      if (this.#isAtEnd) this.isFollowing = true;
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

  /** A person opens something: what is seen stays where it is, also at the end. */
  rest() {
    this.isFollowing = false;
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < END_PX && this.endsHere();
  }

  /** Change the list, and leave what is seen where it is, or the list at its end. @param {() => void} change */
  keep(change) {
    const seen = this.isFollowing ? null : this.#firstSeen();
    const top = seen?.getBoundingClientRect().top ?? 0;
    change();
    if (this.isFollowing) this.toEnd();
    else if (seen?.isConnected) this.list.scrollTop += seen.getBoundingClientRect().top - top;
    this.isFollowing ||= this.#isAtEnd;
  }

  /** The topmost line that does not change itself when others come before it, as the first one of a day does. */
  #firstSeen() {
    const { top } = this.list.getBoundingClientRect();
    return [...this.list.children].find((line, index) => index > 0 && line.getBoundingClientRect().top >= top);
  }
}
