/** What the studio says about files and runs, by the sentence as it stands in the server's source. */
export const studioSentencesInJapanese: Record<string, string> = {
  'The meaning of some columns is not certain. Send `mapping` with the role of each column.':
    '意味を判定できない列があります。各列の役割を選択してください。',
  'Send a file of interactions, a file of items, or both.':
    '行動ログのファイル、アイテムのファイル、またはその両方を送信してください。',
  'The goal "{goal}" needs this file.': '選択した目的（{0}）には、このファイルが必要です。',
  'The file has a header but no rows.': '列名の行だけで、データの行がありません。',
  'The mapping cannot be read: {error}.': '列の割り当てを読み取れません: {0}',
  'The file "{part}" has no column "{column}". Its columns are {names}.':
    'ファイル「{0}」に列 "{1}" がありません。列は {2} です。',
  'The file "{part}" has several columns named "{column}". Rename or remove all but the one that is meant.':
    'ファイル「{0}」に列 "{1}" が複数あります。使用する列だけを残してください。',
  'Several columns of the file "{part}" have the role "{role}": {names}. Choose one.':
    'ファイル「{0}」の複数の列に役割「{1}」が割り当てられています（{2}）。1 つだけ選択してください。',
  'No column of the file "{part}" has the role "{role}". Choose one.':
    'ファイル「{0}」に役割「{1}」の列がありません。1 つ選択してください。',

  'its name, and {} of the ids in the interactions are here':
    '列名と、行動ログの ID の {0} が含まれていることから',
  '{} of the ids in the interactions are here': '行動ログの ID の {0} が含まれています',
  'its name, but only {} of the ids in the interactions are here':
    '列名から（ただし、行動ログの ID の {0} しか含まれていません）',
  'its name, and each row has its own value': '列名と、値が行ごとに異なることから',
  'its name, though some values come back': '列名から（ただし、重複する値があります）',
  'its values may be ids, but its name says nothing': 'ID の可能性がありますが、列名からは判断できません',
  'its name, and {} of its values are in the other file':
    '列名と、値の {0} がもう一方のファイルにあることから',
  '{} of its values are in the other file': '値の {0} がもう一方のファイルにあります',
  'its name, though only {} of its values are in the other file':
    '列名から（ただし、もう一方のファイルにある値は {0} だけです）',
  'its name': '列名から',
  'its name contains one that such columns have': 'よく使われる列名が含まれています',
  'its values come back, but its name says nothing': '値が繰り返し現れますが、列名からは判断できません',
  'its name, and its values are times': '列名と、値が日時であることから',
  'its values are times': '値が日時です',
  'its name, and it has few different values': '列名と、値の種類が少ないことから',
  'its values are words for what users do': '値が行動を表す語です',
  'its name, and its values are numbers': '列名と、値が数値であることから',
  'its values are links to pictures': '値が画像へのリンクです',
  'its name, and its values are texts of about {:.0} characters':
    '列名と、値が約 {0} 文字の文章であることから',
  'it is neither an id, a time, a rating nor an event type':
    'ID、日時、評価、行動の種類のいずれでもありません',

  'The files seem to be swapped: the one sent as items has users in it, and the one sent as interactions has none.':
    'ファイルが入れ替わっているようです。アイテムのファイルにユーザーがあり、行動ログのファイルにはありません。',
  'The files write some {of} ids differently: "{our}" in the interactions is "{other}" in the {of}s file. Write them alike.':
    '同じ ID の書き方がファイルによって異なります（行動ログでは "{1}"、もう一方では "{2}"）。書き方をそろえてください。',
  'The files share no {of} id: column "{}" of the interactions and column "{}" of the {of}s file.':
    '共通の ID がありません（行動ログの列 "{1}" と、もう一方のファイルの列 "{2}"）。',
  '{missing} of the {of} ids in the interactions have no row in the {of}s file.':
    '行動ログの ID の {0} は、もう一方のファイルに行がありません。',
  '{times} columns are named "{name}". Rename or remove all but the one that is meant.':
    '"{1}" という列が {0} 個あります。使用する列だけを残してください。',
  '{blank} of {} rows have no value here and are left out.':
    '{1} 行のうち {0} 行はこの列が空のため、取り込まれません。',
  '{} rows have an id that a later row has as well. The last row of an id counts.':
    '{0} 行の ID が、後の行と重複しています。同じ ID では最後の行を使用します。',
  '"{padded}" and "{bare}" both occur. They are different ids, since ids are compared letter by letter.':
    '"{0}" と "{1}" の両方があります。ID は文字どおりに比較されるため、別の ID として扱われます。',

  'Column "{column}" is not used: each row counts as one interaction, whatever its rating is.':
    '列 "{0}" は使用しません。評価の値にかかわらず、1 行を 1 回の行動として数えます。',
  'No item of the interactions is in the item file, so recommendations do not use it. Check which columns have the item ids.':
    '行動ログのアイテムがアイテムのファイルに 1 つもないため、推薦には使用しません。アイテム ID の列を確認してください。',
  '{missing:.0} % of the items with interactions have no row in the item file.':
    '行動のあるアイテムの {0} % は、アイテムのファイルに行がありません。',
  'No column of the item file describes items, so recommendations do not use it.':
    'アイテムのファイルにアイテムの特徴を表す列がないため、推薦には使用しません。',
  'There are no interactions. Send a file with what users did.':
    '行動がありません。ユーザーの行動ログのファイルを送信してください。',
  'All {rows} interactions are of one user. Send those of more users, or check which column has the user ids.':
    '{0} 件の行動がすべて 1 人のユーザーのものです。ほかのユーザーの行動も送信するか、ユーザー ID の列を確認してください。',
  'All {rows} interactions are with one item. Send those with more items, or check which column has the item ids.':
    '{0} 件の行動がすべて 1 つのアイテムのものです。ほかのアイテムの行動も送信するか、アイテム ID の列を確認してください。',
  'The goal "{goal}" needs an item file with columns that describe the items of the interactions.':
    '選択した目的（{0}）には、行動ログのアイテムの特徴を表す列を含むアイテムのファイルが必要です。',
  'The best model found is no better than the list of the most popular items.':
    '見つかった最良のモデルは、人気順のリストを上回っていません。',
  'The search of this run was cancelled.': '探索がキャンセルされました。',
}
