// The page over several benchmarks has tables, and no questions.
startTheme();
startTables();
