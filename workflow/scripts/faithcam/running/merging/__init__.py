"""Results folders of several people or sessions as one."""
