// To come.

export const view = {
  title: "page.tab.import",
  open() {
    return { close() {} };
  },
};
