"""Archives: which members they have, without a byte of them being unpacked, and the bytes of one of them.

members    ArchiveMember: what an archive says of one of its files; Damaged
tars       the members of a tar, plain or compressed, header by header
zips       the members of a zip, by its directory, or by what stands before each where that was cut off
streams    compressed tars as files that are read forwards
samples    which members are one sample of a WebDataset
looked_through  which archives a path names, and what one of them is
opened     the bytes of a member, read where it lies; archives stay open meanwhile
tar_files  writing tars
zip_files  writing zips
"""
