// To come.

export const view = {
  title: "page.tab.history",
  open() {
    return { close() {} };
  },
};
