/* Prints what a program finds; the folder is read and changed. */
int survey(const char *folder);
